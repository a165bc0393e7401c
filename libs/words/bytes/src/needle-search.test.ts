/** Protects every search in lines: a hit that is missed is a line that an answer lacks. */
import fc from 'fast-check';
import { needleBytesMax, roomBytes } from './needle-kernel-wasm.ts';
import { NeedleSearch } from './needle-search.ts';

/** All places, by the plain way. */
function naivePlaces(text: Uint8Array, needle: Uint8Array, fold: boolean): number[] {
  const folded = (byte: number) => (fold && byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);
  const places: number[] = [];
  for (let at = 0; at + needle.length <= text.length; at++) {
    if (needle.every((byte, i) => folded(text[at + i]) === byte)) places.push(at);
  }
  return places;
}

function places(text: Uint8Array, needle: Uint8Array, fold: boolean): number[] {
  const search = NeedleSearch.for(needle, fold)!;
  const all: number[] = [];
  search.start(text);
  for (let at = search.next(0); at >= 0; at = search.next(at + 1)) all.push(at);
  return all;
}

/** Bytes of few kinds, so that needles are often there, and nearly there. */
function bytesOf(kinds: readonly number[], minLength: number, maxLength: number) {
  return fc.array(fc.constantFrom(...kinds), { minLength, maxLength }).map((bytes) => Uint8Array.from(bytes));
}

const letters = [0x61, 0x41, 0x62, 0x42, 0x7a, 0x5a];
/**
 * Bytes that folding must keep apart: neighbours of the ranges of letters, and pairs that differ by 20 alone.
 */
const others = [0x40, 0x60, 0x5b, 0x7b, 0x00, 0x20, 0xff, 0xdf, 0xc5, 0x10, 0x30];

test.each([
  ['as it stands', false],
  ['in both cases', true],
])('a needle is found at all of its places, %s', (_, fold) => {
  const kinds = [...letters, ...others];
  fc.assert(
    fc.property(
      bytesOf(kinds, 0, 300),
      fc.oneof(bytesOf(kinds, 1, 3), bytesOf([0x61, 0x62], 1, 40)),
      fc.nat(),
      (text, drawn, seed) => {
        // A piece of the text itself every other time.
        const from = seed % Math.max(1, text.length);
        const piece = text.subarray(from, from + 1 + (seed % 37));
        const raw = seed % 2 === 0 && piece.length > 0 ? piece : drawn;
        const needle = fold ? raw.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte)) : raw;
        expect(places(text, needle, fold)).toEqual(naivePlaces(text, needle, fold));
      },
    ),
    { numRuns: 2000 },
  );
});

test('a needle is found wherever it stands around the borders of what is copied at once', () => {
  for (const length of [1, 2, 15, 16, 17, 33, needleBytesMax]) {
    const needle = new Uint8Array(length).map((_, i) => 0x61 + (i % 23));
    for (const border of [0, roomBytes, 2 * roomBytes - length]) {
      for (let at = Math.max(0, border - length - 2); at <= border + 2; at++) {
        const text = new Uint8Array(2 * roomBytes + 40).fill(0x20);
        text.set(needle, at);
        expect(places(text, needle, false)).toEqual([at]);
      }
    }
  }
});

test('searches take turns, and a text that changed is looked at anew', () => {
  const text = Buffer.from('an apple and a pear');
  const apple = NeedleSearch.for(Buffer.from('apple'), false)!;
  const pear = NeedleSearch.for(Buffer.from('pear'), false)!;
  apple.start(text);
  expect(apple.next(0)).toBe(3);
  pear.start(text);
  expect(pear.next(0)).toBe(15);
  expect(() => apple.next(0)).toThrow('another search');
  text.write('pears', 3);
  pear.start(text);
  expect(pear.next(0)).toBe(3);
});

test('needles that the kernel has no room for have no search', () => {
  expect(NeedleSearch.for(new Uint8Array(0), false)).toBeUndefined();
  expect(NeedleSearch.for(new Uint8Array(needleBytesMax + 1), false)).toBeUndefined();
  expect(places(new Uint8Array(3), new Uint8Array(4), false)).toEqual([]);
});
