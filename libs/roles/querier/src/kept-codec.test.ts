import fc from 'fast-check';
import { emptyLeafStats } from '@loki/ports';
import type { SampleLeafResult, StreamVolume } from '@loki/ports';
import { decodeSamples, decodeStreams, encodeSamples, encodeStreams } from './kept-codec.ts';

// What this protects: what is kept comes back bit by bit, and bytes that make no sense are no answer,
// whatever they ask for.

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
