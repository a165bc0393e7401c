/**
 * Protects answers on their way between threads, and requests that share the receiving thread: all comes
 * out as it went in, in slices, and is counted.
 */
import fc from 'fast-check';
import type { LabelPair } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LabelSet, LeafResult, LogLeafResult, SampleLeafResult } from '@loki/ports';
import { MemoryBudget } from '../common/memory-budget.ts';
import { atOnce } from '../common/sliced-work.ts';
import { buffersOf, packedBytes, packLeafResult, unpackLeafResult } from './packed-result.ts';

/** As a worker's port does it. */
function sent(result: LeafResult): LeafResult {
  const packed = packLeafResult(result);
  return atOnce(unpackLeafResult(structuredClone(packed, { transfer: [...new Set(buffersOf(packed))] })));
}

function samplesOf(lists: readonly (readonly LabelPair[])[], hasSamples = false): SampleLeafResult {
  const slab = Float64Array.from({ length: 2 * lists.length }, (_, i) => i / 3);
  const series = lists.map((labels, i) => {
    const cells = slab.subarray(2 * i, 2 * i + 2);
    return hasSamples
      ? { labels, columns: [], samples: { times: cells, values: cells } }
      : { labels, columns: [cells, cells] };
  });
  return { kind: 'samples', steps: 2, series, stats: { ...emptyLeafStats(), segments: 7 } };
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  // Half a surrogate pair stays one.
  fc.constantFrom('', 'é', '日本', '\uD800', 'x'.repeat(40_000)),
);
const labelLists = fc.array(fc.array(fc.tuple(text, text), { maxLength: 4 }), { maxLength: 12 });

test('samples come out as they went in', () => {
  fc.assert(
    fc.property(labelLists, fc.boolean(), (lists, hasSamples) => {
      expect(sent(samplesOf(lists, hasSamples))).toEqual(samplesOf(lists, hasSamples));
    }),
  );
});

test('lines come out as they went in, and sets of one stream share its labels', () => {
  fc.assert(
    fc.property(labelLists, labelLists, (streams, others) => {
      const labelSets = others.map((parsed, i): LabelSet => {
        const stream = streams[i % Math.max(1, streams.length)] ?? [];
        return { stream, structuredMetadata: [], parsed, origin: { hash: BigInt(i % 3), text: `${i % 3}` } };
      });
      const rows = (): Omit<LogLeafResult, 'labelSets'> => ({
        kind: 'log',
        labelSet: Uint32Array.from(labelSets.keys()),
        timestampNs: BigInt64Array.from(labelSets.map((_, i) => BigInt(i))),
        lineEnds: Uint32Array.from(labelSets.map((_, i) => i + 1)),
        lines: new Uint8Array(labelSets.length),
        stats: emptyLeafStats(),
      });
      const result = sent({ ...rows(), labelSets }) as LogLeafResult;
      expect(result).toEqual({ ...rows(), labelSets });
      const first = result.labelSets.findIndex(({ stream }) => stream === result.labelSets[0]?.stream);
      for (let i = 0; i < labelSets.length; i++) {
        if (labelSets[i].stream === labelSets[0].stream) {
          expect(result.labelSets[i].stream).toBe(result.labelSets[first].stream);
        }
      }
    }),
  );
});

test('names without number do not end up in the list of common ones', () => {
  const lists = Array.from({ length: 3_000 }, (_, i): LabelPair[] => [
    ['app', 'a'],
    [`name${i}`, `${i}`],
  ]);
  const packed = packLeafResult(samplesOf(lists));
  expect(packed.labels.commonNames).toHaveLength(1024);
  expect(atOnce(unpackLeafResult(packed))).toEqual(samplesOf(lists));
});

test('a hundred thousand series are taken in by slices, whose labels are charged as they are made', () => {
  const lists = Array.from({ length: 100_000 }, (_, i): LabelPair[] => [
    ['id', `number ${i}`],
    ['path', `/items/${i}`],
  ]);
  const packed = packLeafResult(samplesOf(lists));
  // Some hundred objects to copy at once; unpacked there are 600,000.
  expect(buffersOf(packed).length).toBeLessThan(400);
  expect(packedBytes(packed)).toBeLessThan(100_000 * 150);
  const work = unpackLeafResult(packed, new MemoryBudget());
  let slices = 0;
  while (!work.next().done) slices++;
  expect(slices).toBeGreaterThan(1_000);
  expect(() => atOnce(unpackLeafResult(packed, new MemoryBudget(10_000_000)))).toThrow('too much memory');
});
