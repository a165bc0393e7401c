/** Patterns of the `pattern` stage and of the filters `|>` and `!>`. */
import { QueryPartError } from './errors.ts';

/** A part of a pattern: literal text, or a capture of any text. The name of an unused capture is `_`. */
type PatternPart =
  { readonly kind: 'literal'; readonly text: string } | { readonly kind: 'capture'; readonly name: string };

const capture = /<([a-zA-Z_][a-zA-Z0-9_]*)>/g;

/** Splits pattern text; a `<` that opens no capture is literal. Never fails; `''` has no parts. */
function splitPattern(text: string): readonly PatternPart[] {
  const parts: PatternPart[] = [];
  let end = 0;
  for (const match of text.matchAll(capture)) {
    if (match.index > end) parts.push({ kind: 'literal', text: text.slice(end, match.index) });
    parts.push({ kind: 'capture', name: match[1] });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ kind: 'literal', text: text.slice(end) });
  return parts;
}

/**
 * Parses the pattern of a `pattern` stage.
 *
 * @throws QueryPartError with Loki's text
 */
export function parsePattern(text: string): readonly PatternPart[] {
  if (text === '') {
    throw new QueryPartError(
      'parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL',
    );
  }
  const parts = splitPattern(text);
  if (!parts.some((part) => part.kind === 'capture' && part.name !== '_')) {
    throw new QueryPartError('at least one capture is required');
  }
  refuseConsecutive(parts);
  const names = new Set<string>();
  for (const part of parts) {
    if (part.kind !== 'capture' || part.name === '_') continue;
    if (names.has(part.name)) {
      throw new QueryPartError(`duplicate capture name (${part.name}): invalid expression`);
    }
    names.add(part.name);
  }
  return parts;
}

/**
 * Parses the pattern of a `|>` or `!>` filter, which has no names. The empty pattern matches the empty line.
 *
 * @throws QueryPartError with Loki's text
 */
export function parseLinePattern(text: string): readonly PatternPart[] {
  const parts = splitPattern(text);
  for (const part of parts) {
    if (part.kind === 'capture' && part.name !== '_') {
      throw new QueryPartError(`named captures are not allowed: found '<${part.name}>'`);
    }
  }
  refuseConsecutive(parts);
  return parts;
}

function refuseConsecutive(parts: readonly PatternPart[]): void {
  for (let i = 1; i < parts.length; i++) {
    const [left, right] = [parts[i - 1], parts[i]];
    if (left.kind === 'capture' && right.kind === 'capture') {
      throw new QueryPartError(
        `found consecutive capture '<${left.name}><${right.name}>': invalid expression`,
      );
    }
  }
}
