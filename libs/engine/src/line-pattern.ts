import { parseLinePattern } from '@loki/logql';

/** What a line pattern matches by: literals in order, each gap between them a wildcard. */
interface LinePatternParts {
  readonly literals: readonly Buffer[];
  readonly startsOpen: boolean;
  readonly endsOpen: boolean;
}

/**
 * The pattern of `|>` and `!>`: `<_>` stands for one or more bytes, the rest is literal, and the whole line must match.
 */
export class LinePattern {
  readonly #parts: LinePatternParts;

  constructor(pattern: string) {
    const parts = parseLinePattern(pattern);
    this.#parts = {
      literals: parts.flatMap((part) => (part.kind === 'literal' ? [Buffer.from(part.text, 'utf8')] : [])),
      startsOpen: parts[0]?.kind === 'capture',
      endsOpen: parts.at(-1)?.kind === 'capture',
    };
  }

  /** The longest literal, which every matching line contains; undefined when there is none. */
  get longestLiteral(): Buffer | undefined {
    return this.#parts.literals.reduce<Buffer | undefined>(
      (best, literal) => (best && best.length >= literal.length ? best : literal),
      undefined,
    );
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    const { literals, startsOpen, endsOpen } = this.#parts;
    if (literals.length === 0) return startsOpen ? end > start : end === start;
    const line = bytes.subarray(start, end);
    const last = literals.length - 1;
    let at = 0;
    for (let i = 0; i <= last; i++) {
      const literal = literals[i];
      const isOpenBefore = i > 0 || startsOpen;
      if (i === last && !endsOpen) {
        // The last literal closes the line; what comes before it is up to the wildcard.
        const from = line.length - literal.length;
        if (isOpenBefore ? from < at + 1 : from !== at) return false;
        return line.indexOf(literal, from) === from;
      }
      const found = isOpenBefore ? line.indexOf(literal, at + 1) : line.indexOf(literal) === 0 ? 0 : -1;
      if (found < 0) return false;
      at = found + literal.length;
    }
    return at < line.length;
  }
}
