/**
 * Protects the first read of a segment: one request brings its footer, and small columns with it, but no
 * large ones.
 */
import type { RawFooter } from './layout.ts';
import { TailGuess } from './tail-guess.ts';

const kib = 1024;

/** Sizes in KiB of a footer and of the areas before it. */
function footerOf(index: number, filters: number, timestamps: number): RawFooter {
  const areaBytes = [5_000 * kib, 900 * kib, 80 * kib, timestamps * kib, filters * kib];
  return { footerBytes: index * kib, entries: [{ areaBytes }] } as unknown as RawFooter;
}

test('small columns come with the footer, if the scan needs them', () => {
  const guess = new TailGuess();
  guess.learn('segments/a', footerOf(2, 50, 60));
  guess.learn('segments/b', footerOf(3, 40, 70));
  expect(guess.bytesFor('segments/c', 'index')).toBe(16 * kib);
  expect(guess.bytesFor('segments/c', 'filters')).toBe(64 * kib);
  expect(guess.bytesFor('segments/c', 'timestamps')).toBe(128 * kib);
  expect(guess.bytesFor('compacted/c', 'index')).toBe(64 * kib);
});

test('large columns do not come with the footer', () => {
  const guess = new TailGuess();
  guess.learn('compacted/a', footerOf(90, 3_000, 4_000));
  for (const content of ['index', 'filters', 'timestamps'] as const) {
    expect(guess.bytesFor('compacted/b', content)).toBe(96 * kib);
  }
});

test('the guess follows the last segments of a kind', () => {
  const guess = new TailGuess();
  guess.learn('segments/a', footerOf(700, 0, 0));
  for (let i = 0; i < 16; i++) guess.learn('segments/b', footerOf(10, 0, 0));
  expect(guess.bytesFor('segments/c', 'index')).toBe(16 * kib);
});
