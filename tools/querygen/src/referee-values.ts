/** The referee's values: regular expressions, numbers, durations, addresses. */
import { parseGoDuration } from '@loki/go';
import { ipMatches, parseIp, parseIpMatcher } from '@loki/logql';
import { Unsure } from './referee-row.ts';

const keptMax = 2000;

/** Caches the value of each text; clears the cache when it is full. */
export function memoized<T>(make: (text: string) => T): (text: string) => T {
  const values = new Map<string, T>();
  return (text) => {
    if (values.size > keptMax) values.clear();
    if (!values.has(text)) values.set(text, make(text));
    return values.get(text)!;
  };
}

/** RE2's syntax as JavaScript's, as far as generated queries use it. Matches anywhere in a text. */
export const regexOf = memoized((pattern) => translated(pattern, false));
/** Matches the whole of a text, which may have several lines. */
export const wholeRegexOf = memoized((pattern) => translated(pattern, true));

function translated(pattern: string, isAnchored: boolean): RegExp {
  let text = '';
  let flags = 'u';
  let remainder = pattern;
  let isDotAll = isAnchored;
  for (let match; (match = /^\(\?([is]+)\)/.exec(remainder)); remainder = remainder.slice(match[0].length)) {
    if (match[1].includes('i')) flags = 'iu';
    if (match[1].includes('s')) isDotAll = true;
  }
  for (let i = 0; i < remainder.length; i++) {
    const char = remainder[i];
    if (char === '\\') text += escapeOf(remainder[++i]);
    else if (char === '[') {
      const end = remainder.indexOf(']', i + 2);
      text += remainder.slice(i, end + 1);
      i = end;
    } else if (remainder.startsWith('(?P<', i)) {
      text += '(?<';
      i += 3;
    } else if (char === '.') text += isDotAll ? '[^]' : '[^\\n]';
    // Braces that are no repetition are literal.
    else if (char === '{' && !/^\{\d+(,\d*)?\}/.test(remainder.slice(i))) text += '\\{';
    else if (char === '}' && !/\{\d+(,\d*)?$/.test(remainder.slice(0, i))) text += '\\}';
    else text += char;
  }
  return new RegExp(isAnchored ? `^(?:${text})$` : text, flags);
}

/** JavaScript refuses escapes of characters that need none. */
function escapeOf(char: string): string {
  if (char === '"' || char === "'" || char === ':' || char === '=' || char === '-') return char === '-' ? '\\-' : char; // prettier-ignore
  return `\\${char}`;
}

/** Go's ParseFloat, decimal; undefined: not a number. */
export function floatOf(text: string): number | undefined {
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text);
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (!word) return undefined;
  if (word[2].toLowerCase() === 'nan') return word[1] === '' ? NaN : undefined;
  return word[1] === '-' ? -Infinity : Infinity;
}

export function durationNsOf(text: string): number | undefined {
  const ns = parseGoDuration(text);
  return ns === undefined ? undefined : Number(ns);
}

/** `1.5 GiB`, in whole bytes. */
export function bytesOf(text: string): number | undefined {
  const match = /^([\d.,]+)\s*([kmgtpe]?)(i?)(b?)\s*$/i.exec(text);
  const number = match ? floatOf(match[1].replaceAll(',', '')) : undefined;
  if (!match || number === undefined || (match[3] !== '' && match[2] === '')) return undefined;
  const power = ['', 'k', 'm', 'g', 't', 'p', 'e'].indexOf(match[2].toLowerCase());
  return Math.trunc(number * (match[3] === '' ? 1000 : 1024) ** power);
}

const matcherOf = memoized((pattern) => {
  try {
    return parseIpMatcher(pattern);
  } catch {
    return undefined; // The answer names the fault.
  }
});

/** Whether an address in the text matches `ip("…")`. */
export function hasAddress(text: string, pattern: string): boolean {
  const matcher = matcherOf(pattern);
  if (!matcher) throw new Unsure('an address that is none');
  const candidates = matcher.version === 4
      ? (text.match(/(?<!\d)\d{1,3}(\.\d{1,3}){3}(?!\d)/g) ?? [])
      : text.split(/[^0-9A-Fa-f:.]+/).flatMap((word) => [word, word.replace(/[.:]{1,2}$/, '')]); // prettier-ignore
  return candidates.some((candidate) => {
    const address = parseIp(candidate);
    return address !== undefined && ipMatches(matcher, address);
  });
}
