/** Go's replacement templates (`$1`, `${name}`): label_replace and templates use them. */
import { LokiError } from '@loki/model';
import type { Match } from './engines.ts';

/**
 * A part of a replacement: literal text, or group numbers, of which the last group that took part is
 * inserted.
 */
type TemplatePart = string | readonly number[];

/**
 * Parses Go's replacement template (regexp.Expand): `$1`, `${1}`, `$name`, `${name}`, `$$`. A name is the
 * longest run of letters, digits and underscores, so `$1x` is the group named 1x; an unknown one is empty. A
 * `$` without a valid reference stays.
 */
export function parseTemplate(template: string, groupNames: readonly string[]): TemplatePart[] {
  const parts: TemplatePart[] = [];
  const reference = /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu;
  let at = 0;
  for (const match of template.matchAll(reference)) {
    if (match.index > at) parts.push(template.slice(at, match.index));
    at = match.index + match[0].length;
    const name = match[1] ?? match[2];
    if (name === undefined) {
      parts.push('$');
      continue;
    }
    if (/^(?:0|[1-9][0-9]{0,7})$/.test(name)) {
      if (Number(name) < groupNames.length) parts.push([Number(name)]);
      continue;
    }
    const numbers = groupNames.flatMap((groupName, i) => (i > 0 && groupName === name ? [i] : []));
    if (numbers.length > 0) parts.push(numbers);
  }
  if (at < template.length) parts.push(template.slice(at));
  return parts;
}

/** @throws LokiError badRequest once the text is longer than `charsMax` */
export function expand(parts: readonly TemplatePart[], match: Match, charsMax: number): string {
  let out = '';
  for (const part of parts) {
    if (typeof part === 'string') {
      out += part;
    } else {
      const group = part.find((number) => match[number] !== undefined);
      if (group !== undefined) out += match[group];
    }
    // V8 keeps the text as a rope until it is read, so the check comes before that.
    checkLength(out, charsMax);
  }
  return out;
}

export function checkLength(text: string, charsMax: number): void {
  if (text.length > charsMax) {
    throw new LokiError('badRequest', `a replacement makes a text of more than ${charsMax} characters`);
  }
}
