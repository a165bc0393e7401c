import type { LabelPair, Labels } from '@loki/model';
import type { StreamOrigin } from '@loki/ports';
import { extractedSuffix } from '../common/error-labels.ts';
import { pairBytes } from '../common/pair-bytes.ts';

/** A stream as its rows see it: its labels, and what breaks ties between entries of equal time. */
export class BaseStream {
  readonly labels: Labels;
  readonly #index: ReadonlyMap<string, number>;
  #pairs: readonly LabelPair[] | undefined;
  #origin: StreamOrigin | undefined;
  #rank: number | undefined;

  constructor(labels: Labels) {
    this.labels = labels;
    this.#index = new Map(labels.names.map((name, i) => [name, i]));
  }

  /** The labels as an answer shows them: always the same array. */
  get pairs(): readonly LabelPair[] {
    return (this.#pairs ??= [...this.labels]);
  }

  get origin(): StreamOrigin {
    return (this.#origin ??= { hash: this.labels.hash(), text: this.labels.toString() });
  }

  /** The upper 53 bits of the hash: an order of streams that fits a column of doubles. */
  get rank(): number {
    return (this.#rank ??= Number(this.origin.hash >> 11n));
  }

  indexOf(name: string): number {
    return this.#index.get(name) ?? -1;
  }
}

/**
 * The labels a row starts the pipeline with: its stream's, then its structured metadata. One object for all
 * rows with the same stream and metadata, so that what follows from it alone is computed once.
 */
export class BaseLabels {
  readonly stream: BaseStream;
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** Labels before this index are the stream's, the rest is metadata. */
  readonly streamCount: number;
  /** Number among the bases of one leaf: part of interning keys. */
  readonly id: number;
  /**
   * The leaf's outcome for rows with exactly these labels: an index into its label sets or series; -1: none
   * yet.
   */
  outcome = -1;

  /**
   * @param metadata pairs that are not empty. A name that the stream has gets `_extracted`; a name given
   *   twice keeps its first value.
   */
  constructor(id: number, stream: BaseStream, metadata: readonly LabelPair[]) {
    this.id = id;
    this.stream = stream;
    this.streamCount = stream.labels.size;
    if (metadata.length === 0) {
      this.names = stream.labels.names;
      this.values = stream.labels.values;
      return;
    }
    const names = [...stream.labels.names];
    const values = [...stream.labels.values];
    for (const [name, value] of metadata) {
      const full = stream.indexOf(name) >= 0 ? name + extractedSuffix : name;
      if (names.includes(full)) continue;
      names.push(full);
      values.push(value);
    }
    this.names = names;
    this.values = values;
  }

  /** Bytes of the metadata in a query's cost. */
  get metadataBytes(): number {
    return pairBytes * (this.names.length - this.streamCount);
  }

  /** Index of `name`, or -1. */
  indexOf(name: string): number {
    const inStream = this.stream.indexOf(name);
    if (inStream >= 0) return inStream;
    for (let i = this.streamCount; i < this.names.length; i++) if (this.names[i] === name) return i;
    return -1;
  }
}
