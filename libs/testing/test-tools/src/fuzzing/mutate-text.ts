/** Changes to texts of a language: tokens removed, repeated, nested, swapped, and replaced by others. */
import type { Prng } from '@loki/virtual';
import { edgeNumber, mutateBytes } from './mutate-bytes.ts';
import type { Material } from './mutate-bytes.ts';
import { inputBytesMax } from './target.ts';

const token = /[A-Za-z_][\w.]*|\d+(?:\.\d+)?|"(?:[^"\\]|\\.)*"|`[^`]*`|\s+|./gsu;

/** Texts that are hard for decoders of texts of any language. */
const oddTexts = [
  '', '0', '-1', '1e309', '-0', 'NaN', 'Infinity', 'null', 'true', '__proto__', 'constructor', '"', "'", '`', '\\',
  '\\u0000', '\\ud800', '\u0000', '\ufeff', '\u2028', '\u0301', 'é', '\u{1f600}', '\ufffd', '%s', '%00', '%', '$1', '..', '/',
  '9223372036854775807', '9223372036854775808', '-9223372036854775809', '18446744073709551616', '1h', '1y', '(', ')', '{',
  '}', '[', ']', '\n', '\r\n', '\t', '  ', '#', '//', '/*', '|', '&', '*', '?', '!', ':', ',', ';',
]; // prettier-ignore

const brackets = ['()', '[]', '{}', '""', '``', "''", '<>'];

export function mutateText(input: Buffer, material: Material): Buffer {
  const { random } = material;
  if (random.chance(0.15)) return mutateBytes(input, material);
  const tokens = tokensOf(input);
  for (let left = random.pick([1, 1, 1, 2, 3, 6]); left > 0; left--) change(tokens, material);
  const text = Buffer.from(tokens.join(''));
  return text.length > inputBytesMax ? text.subarray(0, inputBytesMax) : text;
}

function tokensOf(text: Buffer): string[] {
  return text.toString().match(token) ?? [];
}

function change(tokens: string[], { random, words, others }: Material): void {
  const at = random.int(0, Math.max(0, tokens.length - 1));
  const length = random.chance(0.7) ? random.int(1, 4) : random.int(1, Math.max(1, tokens.length - at));
  switch (random.int(0, 9)) {
    case 0:
      tokens.splice(at, length);
      return;
    case 1:
      tokens.splice(at, 0, ...repeated(tokens.slice(at, at + length), random));
      return;
    case 2:
      tokens.splice(random.int(0, tokens.length), 0, ...tokens.splice(at, length));
      return;
    case 3:
    case 4:
      tokens.splice(at, random.int(0, 1), words.length > 0 ? random.pick(words) : random.pick(oddTexts));
      return;
    case 5:
      tokens.splice(at, random.int(0, 1), random.pick(oddTexts));
      return;
    case 6:
      replaceNumber(tokens, random);
      return;
    case 7:
      nest(tokens, { at, length, random });
      return;
    case 8: {
      const other = tokensOf(random.pick(others));
      const from = random.int(0, Math.max(0, other.length - 1));
      tokens.splice(at, random.int(0, 2), ...other.slice(from, from + random.int(1, 12)));
      return;
    }
    default:
      changeInside(tokens, at, random);
  }
}

function repeated(piece: readonly string[], random: Prng): string[] {
  const most = Math.floor(inputBytesMax / Math.max(1, piece.join('').length));
  const times = Math.min(most, random.pick([1, 1, 2, 5, 50, 2000]));
  return Array.from({ length: times }, () => piece).flat();
}

function replaceNumber(tokens: string[], random: Prng): void {
  const places = [...tokens.keys()].filter((at) => /^\d/.test(tokens[at]));
  if (places.length === 0) return;
  const number = edgeNumber(random);
  tokens[random.pick(places)] = random.pick([String(number), `-${number}`, `${number}.5`, `${number}e9`]);
}

function nest(tokens: string[], { at, length, random }: { at: number; length: number; random: Prng }): void {
  const [open, close] = random.pick(brackets);
  const times = random.pick([1, 1, 2, 20, 1000, 20_000]);
  const piece = tokens.slice(at, at + length);
  tokens.splice(at, length, open.repeat(times), ...piece, close.repeat(random.chance(0.8) ? times : 0));
}

/** One character of a token: inside a quoted text, or within a name. */
function changeInside(tokens: string[], at: number, random: Prng): void {
  const text = tokens[at];
  if (text === undefined || text.length < 2) return;
  const place = random.int(0, text.length - 1);
  tokens[at] = text.slice(0, place) + random.pick(oddTexts) + text.slice(place + random.int(0, 1));
}
