import { LokiError } from '@loki/model';
import type { Match } from './engines.ts';

/**
 * A part of a replacement: text as it is, or the numbers of groups of which the last that took part is put
 * in.
 */
type TemplatePart = string | readonly number[];

/**
 * Parses Go's replacement template (regexp.Expand): `$1`, `${1}`, `$name`, `${name}`, `$$`. A name is the
 * longest run of letters, digits and underscores, so `$1x` is the group named 1x; an unknown one is empty. A
 * `$` that starts nothing stays.
 */
export function parseTemplate(template: string, groupNames: readonly string[]): TemplatePart[] {
  const parts: TemplatePart[] = [];
  const reference = /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu;
  let at = 0;
  for (const found of template.matchAll(reference)) {
    if (found.index > at) parts.push(template.slice(at, found.index));
    at = found.index + found[0].length;
    const name = found[1] ?? found[2];
    if (name === undefined) {
      parts.push('$');
      continue;
    }
    if (/^(?:0|[1-9][0-9]{0,7})$/.test(name)) {
      if (Number(name) < groupNames.length) parts.push([Number(name)]);
      continue;
    }
    const numbers = groupNames.flatMap((known, i) => (i > 0 && known === name ? [i] : []));
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
    // The text is not made before it is read: so far it is a list of parts.
    checkLength(out, charsMax);
  }
  return out;
}

export function checkLength(text: string, charsMax: number): void {
  if (text.length > charsMax) {
    throw new LokiError('badRequest', `a replacement makes a text of more than ${charsMax} characters`);
  }
}
