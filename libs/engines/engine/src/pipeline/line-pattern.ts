/** Patterns of the filters `|>` and `!>`. */
import { parseLinePattern } from '@loki/logql';

/**
 * The pattern of `|>` and `!>`: `<_>` stands for one or more bytes, the rest is literal. As in Loki, each
 * literal matches at its first place after the previous literal, without backtracking: `{<_>}` does not match
 * `{"a":{}}`. A literal at the start of the pattern may be anywhere in the line; the end of the pattern is
 * the end of the line.
 */
export class LinePattern {
  /** Texts that every matching line contains. */
  readonly literals: readonly Buffer[];
  readonly #startsOpen: boolean;
  readonly #endsOpen: boolean;

  constructor(pattern: string) {
    const parts = parseLinePattern(pattern);
    this.literals = parts.flatMap((part) =>
      part.kind === 'literal' ? [Buffer.from(part.text, 'utf8')] : [],
    );
    this.#startsOpen = parts[0]?.kind === 'capture';
    this.#endsOpen = parts.at(-1)?.kind === 'capture';
  }

  /** The longest literal, which every matching line contains; undefined when there is none. */
  get longestLiteral(): Buffer | undefined {
    return this.literals.reduce<Buffer | undefined>(
      (best, literal) => (best && best.length >= literal.length ? best : literal),
      undefined,
    );
  }

  matches(bytes: Buffer, start: number, end: number): boolean {
    const line = bytes.subarray(start, end);
    let at = 0;
    for (let i = 0; i < this.literals.length; i++) {
      const literal = this.literals[i];
      const place = line.indexOf(literal, at);
      // A wildcard before the literal must match at least one byte.
      if (place < 0 || (place === at && (i > 0 || this.#startsOpen))) return false;
      at = place + literal.length;
    }
    return this.#endsOpen ? at < line.length : at === line.length;
  }
}
