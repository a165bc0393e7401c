/**
 * Thrown for a pattern that RE2 refuses. `message` is Go's text, which users of Loki see: error parsing
 * regexp: …
 */
export class RegexSyntaxError extends Error {
  /** Go's reason alone, for example `missing closing )`. */
  readonly reason: string;
  /** The part of the pattern that is wrong. */
  readonly part: string;

  constructor(reason: string, part: string) {
    super(`error parsing regexp: ${reason}: \`${part}\``);
    this.name = 'RegexSyntaxError';
    this.reason = reason;
    this.part = part;
  }
}

/** Go's reasons (package regexp/syntax). */
export const reasons = {
  charRange: 'invalid character class range',
  escape: 'invalid escape sequence',
  namedCapture: 'invalid named capture',
  perlOp: 'invalid or unsupported Perl syntax',
  repeatOp: 'invalid nested repetition operator',
  repeatSize: 'invalid repeat count',
  missingBracket: 'missing closing ]',
  missingParen: 'missing closing )',
  missingRepeatArgument: 'missing argument to repetition operator',
  trailingBackslash: 'trailing backslash at end of expression',
  unexpectedParen: 'unexpected )',
  nestingDepth: 'expression nests too deeply',
  large: 'expression too large',
} as const;
