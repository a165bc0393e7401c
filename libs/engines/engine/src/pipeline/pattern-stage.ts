/** The stage `pattern`. */
import { parsePattern } from '@loki/logql';
import type { ByteText } from '../common/byte-text.ts';
import type { NeededLabels } from './needed-labels.ts';
import type { Row } from './row.ts';

interface PatternPart {
  /** A literal, or a capture with its name ('' for `<_>`). */
  readonly literal?: Buffer;
  readonly name?: string;
}

function compileParts(pattern: string): PatternPart[] {
  return parsePattern(pattern).map((part) =>
    part.kind === 'literal'
      ? { literal: Buffer.from(part.text, 'utf8') }
      : { name: part.name === '_' ? '' : part.name },
  );
}

/**
 * `| pattern "<ip> - <_> <rest>"`: a capture extends to the next literal. If that literal is missing, the
 * capture takes the rest of the line and the stage ends. A literal at the start of the pattern must be at the
 * start of the line.
 */
export class PatternStage {
  readonly #parts: readonly PatternPart[];
  readonly #needed: NeededLabels;
  readonly #texts: ByteText;

  constructor(pattern: string, needed: NeededLabels, texts: ByteText) {
    this.#parts = compileParts(pattern);
    this.#needed = needed;
    this.#texts = texts;
  }

  /** Names of the captures. */
  get names(): readonly string[] {
    return this.#parts.flatMap((part) => (part.name ? [part.name] : []));
  }

  run(row: Row): boolean {
    const bytes = row.bytes;
    const line = bytes.subarray(row.start, row.end);
    // An empty line matches no pattern, not even a single capture.
    if (line.length === 0) return true;
    const parts = this.#parts;
    let at = 0;
    let i = 0;
    const opening = parts[0]?.literal;
    if (opening) {
      if (line.length < opening.length || line.compare(opening, 0, opening.length, 0, opening.length) !== 0) {
        return true;
      }
      at = opening.length;
      i = 1;
    }
    for (; i < parts.length; i += 2) {
      const { name } = parts[i];
      const next = parts[i + 1]?.literal;
      const literalAt = next ? line.indexOf(next, at) : line.length;
      const end = literalAt < 0 ? line.length : literalAt;
      if (name && this.#needed.wants(name)) row.extract(name, this.#texts.text(line, at, end), this.#needed);
      if (literalAt < 0) return true;
      at = end + (next?.length ?? 0);
    }
    return true;
  }
}
