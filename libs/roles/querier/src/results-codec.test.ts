/**
 * Protects: a cached result is read back bit by bit, and invalid bytes never count as an answer.
 */
import fc from 'fast-check';
import { atOnce } from '@loki/engine';
import type { Work } from '@loki/engine';
import { emptyLeafStats } from '@loki/ports';
import type { SampleLeafResult, StreamVolume } from '@loki/ports';
import * as codec from './results-codec.ts';

const encodeSamples = (result: SampleLeafResult) => atOnce(codec.encodeSamples(result, Infinity))!;
const decodeSamples = (bytes: Uint8Array, steps: number) => atOnce(codec.decodeSamples(bytes, steps));
const encodeStreams = (lists: readonly (readonly StreamVolume[])[]) =>
  atOnce(codec.encodeStreams(lists, Infinity))!;
const decodeStreams = (bytes: Uint8Array, lists: number) => atOnce(codec.decodeStreams(bytes, lists));

const labels = fc
  .array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 })
  .map((pairs) => pairs.map(([a, b]) => [a, b] as const));
const numbers = fc.oneof(fc.nat(), fc.double(), fc.constantFrom(-0, Number.NaN, Infinity, 2 ** 53, 2 ** 60));

const sampleResult: fc.Arbitrary<SampleLeafResult> = fc.integer({ min: 1, max: 5 }).chain((steps) => {
  const column = fc
    .array(numbers, { minLength: steps, maxLength: steps })
    .map((each) => Float64Array.from(each));
  const samples = fc
    .array(fc.tuple(fc.integer(), numbers), { maxLength: 10 })
    .map((pairs) => pairs.sort(([a], [b]) => a - b))
    .map((pairs) => ({
      times: Float64Array.from(pairs, ([time]) => time * 1000),
      values: Float64Array.from(pairs, ([, value]) => value),
    }));
  const state = fc.oneof(
    fc.record({ labels, columns: fc.array(column, { minLength: 1, maxLength: 3 }) }),
    fc.record({ labels, columns: fc.constant([]), samples }),
  );
  return fc
    .array(state, { maxLength: 4 })
    .map(
      (series) => ({ kind: 'samples' as const, steps, series, stats: emptyLeafStats() }) as SampleLeafResult,
    );
});

const streamLists: fc.Arbitrary<StreamVolume[][]> = fc.array(
  fc.array(
    fc.record(
      {
        labels,
        entries: fc.double({ noNaN: true }),
        lineBytes: fc.nat(),
        volume: fc.array(fc.tuple(fc.nat(), fc.double({ noNaN: true }))).map((buckets) => ({
          bucket: buckets.map(([bucket]) => bucket),
          bytes: buckets.map(([, bytes]) => bytes),
        })),
        values: fc.array(fc.string({ unit: 'binary' })),
      },
      { requiredKeys: ['labels', 'entries', 'lineBytes'] },
    ) as fc.Arbitrary<StreamVolume>,
    { maxLength: 4 },
  ),
  { maxLength: 4 },
);

test('states come back as they were', () => {
  fc.assert(
    fc.property(sampleResult, (result) => {
      expect(decodeSamples(encodeSamples(result), result.steps)).toEqual(result);
    }),
  );
});

test('streams come back as they were', () => {
  fc.assert(
    fc.property(streamLists, (lists) => {
      expect(decodeStreams(encodeStreams(lists), lists.length)).toEqual(lists);
    }),
  );
});

test('states of other steps, and streams of other segments, are no answer', () => {
  fc.assert(
    fc.property(sampleResult, streamLists, (result, lists) => {
      expect(decodeSamples(encodeSamples(result), result.steps + 1)).toBeUndefined();
      expect(decodeStreams(encodeStreams(lists), lists.length + 1)).toBeUndefined();
    }),
  );
});

test('bytes cut short are no answer', () => {
  fc.assert(
    fc.property(sampleResult, streamLists, fc.nat(), (result, lists, cut) => {
      const samples = encodeSamples(result);
      expect(decodeSamples(samples.subarray(0, cut % samples.length), result.steps)).toBeUndefined();
      const streams = encodeStreams(lists);
      expect(decodeStreams(streams.subarray(0, cut % streams.length), lists.length)).toBeUndefined();
    }),
  );
});

test('whatever the bytes, nothing is thrown and little is taken', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 1000 }), (bytes, steps) => {
      for (const result of [decodeSamples(bytes, steps), decodeStreams(bytes, steps)]) {
        expect(result === undefined || typeof result === 'object').toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});

/** How often the work stands still. */
function pausesOf(work: Work<unknown>): number {
  let pauses = 0;
  while (!work.next().done) pauses++;
  return pauses;
}

test('answers of megabytes are written and read in pieces, and given up when they are too large', () => {
  const labels: [string, string][] = [['app', 'a'.repeat(100)]];
  const series = Array.from({ length: 4_000 }, (_, i) => ({
    labels,
    columns: [Float64Array.of(i + 0.5, 2, 3)],
  }));
  const result: SampleLeafResult = { kind: 'samples', steps: 3, series, stats: emptyLeafStats() };
  const lists = [Array.from({ length: 4_000 }, () => ({ labels, entries: 1, lineBytes: 2 }))];
  const written = [
    [codec.encodeSamples(result, Infinity), codec.decodeSamples(encodeSamples(result), 3)],
    [codec.encodeStreams(lists, Infinity), codec.decodeStreams(encodeStreams(lists), 1)],
  ];
  for (const work of written.flat()) expect(pausesOf(work)).toBeGreaterThan(10);
  expect(atOnce(codec.encodeSamples(result, 100_000))).toBeUndefined();
  expect(atOnce(codec.encodeStreams(lists, 100_000))).toBeUndefined();
  expect(pausesOf(codec.encodeSamples(result, 100_000))).toBeLessThan(5);
});
