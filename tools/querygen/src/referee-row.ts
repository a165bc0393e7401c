/** A row of the referee's pipeline, as maps of text. */
import type { Row } from './data.ts';

/**
 * A question that the referee does not judge: the language leaves it open, or a plain reading does not cover
 * it.
 */
export class Unsure extends Error {}

/** A row of a pipeline, as maps of text. */
export class PlainRow {
  line: string;
  readonly timestampNs: bigint;
  readonly stream: Map<string, string>;
  readonly metadata = new Map<string, string>();
  readonly parsed = new Map<string, string>();
  error = '';
  details = '';
  /** Names of the stream's labels, which parsers must not set, even after they were dropped. */
  readonly #streamNames: ReadonlySet<string>;

  constructor(stream: ReadonlyMap<string, string>, { line, timestampNs, metadata }: Row) {
    this.line = line;
    this.timestampNs = timestampNs;
    this.stream = new Map(stream);
    for (const [name, value] of [...metadata].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const full = stream.has(name) ? `${name}_extracted` : name;
      if (!this.metadata.has(full)) this.metadata.set(full, value);
    }
    this.#streamNames = new Set(stream.keys());
  }

  get(name: string): string | undefined {
    return this.parsed.get(name) ?? this.metadata.get(name) ?? this.stream.get(name);
  }

  /**
   * Set by a parser: the first one to find a name keeps it, except names that were requested by their path.
   */
  extract(name: string, value: string, isAsked = false): void {
    const full = this.#isTaken(name) ? `${name}_extracted` : name;
    if (this.parsed.has(full) && !isAsked) return;
    if (full !== name) this.metadata.delete(full);
    this.parsed.set(full, value);
  }

  /** Set by a parser that did not find a requested name. */
  extractNothing(name: string): void {
    if (!this.#isTaken(name) && !this.parsed.has(name)) this.parsed.set(name, '');
  }

  /** Dropped metadata no longer block a name. */
  #isTaken(name: string): boolean {
    return this.#streamNames.has(name) || this.metadata.has(name);
  }

  set(name: string, value: string): void {
    if (!this.parsed.has(name)) {
      this.metadata.delete(name);
      this.stream.delete(name);
    }
    this.parsed.set(name, value);
  }

  drop(name: string): void {
    for (const labels of [this.stream, this.metadata, this.parsed]) labels.delete(name);
  }

  /** All labels as one map. */
  labels(): Map<string, string> {
    return new Map([...this.stream, ...this.metadata, ...this.parsed]);
  }
}
