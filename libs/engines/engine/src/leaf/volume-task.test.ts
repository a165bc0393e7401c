import fc from 'fast-check';
import type { StreamGrouping, StreamsRequest, StreamVolume } from '@loki/ports';
import { openSegment } from '@loki/segment';
import { segmentOf, tenant, testEnv } from '../test/blocks.ts';
import type { TestRow } from '../test/blocks.ts';
import { LeafCache } from './leaf-cache.ts';
import { volumeTask } from './volume-task.ts';

// Protects volumes as Loki counts them, to the byte: they are compared with recorded answers.

const second = 1_000_000_000n;

/** The volume of all streams in one step. */
const ofAll: StreamsRequest = {
  tenant,
  selector: '',
  startNs: 0n,
  endNs: 1000n * second,
  volume: { stepNs: 0n },
};

function ask(
  rows: readonly TestRow[],
  request: Partial<StreamsRequest> = {},
  from: 'head' | 'store' = 'head',
) {
  const bytes = segmentOf(rows);
  const full: StreamsRequest = { ...ofAll, ...request };
  const source =
    from === 'head' ? ({ kind: 'bytes', bytes } as const) : ({ kind: 'object', key: 'k' } as const);
  const result = volumeTask.run({ request: full, sources: [source] }, testEnv(new Map([['k', bytes]])));
  return result as Promise<StreamVolume[]>;
}

function bytesOf(volumes: readonly StreamVolume[]): Record<number, number> {
  const { bucket, bytes } = volumes[0].volume!;
  return Object.fromEntries(bucket.map((each, i) => [each, bytes[i]]));
}

const level = { detected_level: 'unknown' };
const three: TestRow[] = [0n, 60n, 120n].map((at) => ({
  labels: { app: 'a' },
  ts: at * second,
  line: 'seven b',
  metadata: level,
}));

test.each(['head', 'store'] as const)(
  'lines, 8 bytes a pair, and each distinct text of the metadata once (%s)',
  async (from) => {
    expect(bytesOf(await ask(three, {}, from))).toEqual({ 0: 21 + 3 * 8 + 14 + 7 });
  },
);

test('a text that is the value of two keys is one symbol, and counts in bytes; empty values are nothing', async () => {
  const rows = [{ labels: { app: 'a' }, ts: 1n, line: 'x', metadata: { a: 'żó', b: 'żó', c: '' } }];
  expect(bytesOf(await ask(rows))).toEqual({ 0: 1 + 2 * 8 + 1 + 1 + 4 });
});

test.each(['head', 'store'] as const)(
  'a stretch across an edge counts by its share of time (%s)',
  async (from) => {
    const [volume] = await ask(three, { startNs: 60n * second }, from);
    // 66 bytes over 120 s and 1 ns, of which half lies inside.
    expect(volume.volume).toEqual({ bucket: [0], bytes: [33] });
    expect(await ask(three, { startNs: 121n * second }, from)).toEqual([]);
    expect(await ask(three, { startNs: -5n, endNs: 0n }, from)).toEqual([]);
  },
);

test('buckets are cut at multiples of the step, and what falls into them adds up to nearly all', async () => {
  const request = { startNs: 10n * second, endNs: 1000n * second, volume: { stepNs: 60n * second } };
  const moved = three.map((row) => ({ ...row, ts: row.ts + 30n * second }));
  const found = bytesOf(await ask(moved, request));
  expect(Object.keys(found)).toEqual(['0', '1', '2']);
  const sum = Object.values(found).reduce((total, each) => total + each, 0);
  // Each of the three parts is rounded down, and the first two lack a second.
  expect(sum).toBeGreaterThanOrEqual(66 - 3 - 2);
  expect(sum).toBeLessThanOrEqual(66);
});

test.each([
  // 3 rows of 22 bytes over 120 s: in a step that is not the stream's last, the last second does not count.
  [60n, { 0: Math.floor((66 * 59) / 120), 1: Math.floor((66 * 59) / 120), 2: 0 }],
  [100n, { 0: Math.floor((66 * 99) / 120), 1: Math.floor((66 * 20) / 120) }],
  [1n, { 0: 0, 60: 0, 120: 0 }],
  [200n, { 0: 66 }],
])('steps of %d s have %j bytes', async (stepSeconds, bytes) => {
  const found = bytesOf(
    await ask(three, { startNs: 0n, endNs: 1000n * second, volume: { stepNs: stepSeconds * second } }),
  );
  expect(found).toMatchObject(bytes);
});

test('runs of one stream in several records are one stretch with one table of symbols', async () => {
  const sources = three.map((row) => ({ kind: 'bytes' as const, bytes: segmentOf([row]) }));
  const request: StreamsRequest = { ...ofAll, selector: '{app="a"}', endNs: 60n * second };
  const volumes = await volumeTask.run({ request, sources }, testEnv());
  expect(volumes).toHaveLength(1);
  expect(bytesOf(volumes)).toEqual({ 0: 32 });
});

test('only streams that the selector matches are there', async () => {
  const rows = [...three, { ...three[0], labels: { app: 'b' } }];
  const found = await ask(rows, { selector: '{app=~"b|c"}' });
  expect(found.map(({ labels }) => labels)).toEqual([[['app', 'b']]]);
});

const many = Array.from({ length: 4000 }, (_, i) => ({
  labels: { app: 'a' },
  ts: BigInt(i) * second,
  line: 'x'.repeat(60),
  metadata: level,
}));

test('of many blocks of an older version a sample is read, and the rest is taken to be as dense', async () => {
  const bytes = segmentOf(many, 2048, 'record');
  const request: StreamsRequest = { ...ofAll, endNs: 4000n * second };
  const env = testEnv(new Map([['k', bytes]]));
  const volumes = await volumeTask.run({ request, sources: [{ kind: 'object', key: 'k' }] }, env);
  const lineBytes = 4000 * 60;
  const found = bytesOf(volumes)[0] - lineBytes;
  // 8 bytes a row, and one table of 21 bytes for each block.
  expect(found).toBeGreaterThan(4000 * 8);
  expect(found).toBeLessThan(4000 * 8 * 1.2);
});

test('where the index states the metadata bytes of runs, they are exact, and no block is read', async () => {
  const bytes = segmentOf(many, 2048);
  const env = testEnv(new Map([['k', bytes]]));
  const request: StreamsRequest = { ...ofAll, endNs: 4000n * second };
  const volumes = await volumeTask.run({ request, sources: [{ kind: 'object', key: 'k' }] }, env);
  const blockCount = openSegment(bytes).sections[0].blocks.length;
  expect(blockCount).toBeGreaterThan(64);
  expect(bytesOf(volumes)[0]).toBe(4000 * (60 + 8) + blockCount * (14 + 7));
  expect(LeafCache.of(env).blocks.bytes).toBe(0);
});

test('more samples than an answer may hold are refused', async () => {
  const wide = [three[0], { ...three[0], ts: 1_000_000n * second }];
  const request = { endNs: 1n << 60n, volume: { stepNs: 100_000_000n } };
  await expect(ask(wide, request)).rejects.toThrow('too many samples');
});

describe('groups of streams', () => {
  const letters = fc.constantFrom('a', 'b', 'c');
  const labels = fc.dictionary(fc.constantFrom('app', 'env', 'pod'), letters, { minKeys: 1 });
  const row = fc.record({
    labels,
    ts: fc.integer({ min: 0, max: 2000 }).map((at) => BigInt(at) * second),
    line: fc.string({ maxLength: 9 }),
    metadata: fc.dictionary(fc.constantFrom('k', 'l', 'a'), letters, { maxKeys: 2 }),
  });

  /** Bytes of each group by bucket, from single streams. */
  function grouped(streams: readonly StreamVolume[], { by, names }: StreamGrouping) {
    const groups: Record<string, Record<number, number>> = {};
    for (const { labels: all, volume } of streams) {
      const counted = all.filter(([name]) => names?.includes(name) ?? true);
      const keys = by === 'labels' ? [counted.flat().join()] : counted.map(([name]) => `${name},`);
      for (const key of keys) {
        const bytes = (groups[key] ??= {});
        volume!.bucket.forEach((at, i) => (bytes[at] = (bytes[at] ?? 0) + volume!.bytes[i]));
      }
    }
    return groups;
  }

  test.each<StreamGrouping>([
    { by: 'labels', names: ['app'] },
    { by: 'labels', names: ['pod', 'env', 'absent'] },
    { by: 'name' },
    { by: 'name', names: ['env', 'app'] },
  ])('hold to the byte what their streams hold: %j', async (group) => {
    const records = fc.array(fc.array(row, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(records, fc.boolean(), fc.boolean(), async (all, isStored, isOlder) => {
        const segments = all.map((rows) => segmentOf(rows, undefined, isOlder ? 'record' : 'flushed'));
        const sources = segments.map((bytes, i) =>
          isStored ? ({ kind: 'object', key: `${i}` } as const) : ({ kind: 'bytes', bytes } as const),
        );
        const env = () => testEnv(new Map(segments.map((bytes, i) => [`${i}`, bytes])));
        const request: StreamsRequest = {
          ...ofAll,
          startNs: 100n * second,
          endNs: 1500n * second,
          volume: { stepNs: 400n * second },
        };
        const streams = await volumeTask.run({ request, sources }, env());
        const groups = await volumeTask.run({ request: { ...request, group }, sources }, env());
        expect(grouped(groups, group)).toEqual(grouped(streams, group));
        if (isStored) {
          // An index of either version gives the same volumes.
          const states = new Map(all.map((rows, i) => [`${i}`, segmentOf(rows)]));
          expect(await volumeTask.run({ request, sources }, testEnv(states))).toEqual(streams);
        }
        const keys = groups.map((each) => each.labels.flat().join());
        expect(new Set(keys).size).toBe(keys.length);
      }),
      { numRuns: 60 },
    );
  });

  test('streams whose numbers are given are not told apart by their labels', async () => {
    const sources = three.map((each, i) => ({
      kind: 'bytes' as const,
      bytes: segmentOf([each, { ...each, labels: { app: 'b' } }]),
      // In the order of runs; the last record has them at other places.
      streams: i < 2 ? Int32Array.of(7, 3) : Int32Array.of(3, 7),
    }));
    const volumes = await volumeTask.run({ request: ofAll, sources }, testEnv());
    expect(volumes.map((each) => [each.labels[0][1], each.entries, each.volume!.bytes])).toEqual([
      ['a', 3, [21 + 3 * 8 + 14 + 7]],
      ['b', 3, [21 + 3 * 8 + 14 + 7]],
    ]);
  });
});

describe('stored volumes of an older version that are asked again', () => {
  const ofOneApp: StreamsRequest = { ...ofAll, selector: '{app="a"}' };
  const rows: TestRow[] = [...three, ...three.map((each) => ({ ...each, labels: { app: 'b' } }))];
  const sources = [{ kind: 'object', key: 'k' } as const];

  test('are the same, also of streams that were not selected at first', async () => {
    const stored = new Map([['k', segmentOf(rows, undefined, 'record')]]);
    const env = testEnv(stored);
    await volumeTask.run({ request: ofOneApp, sources }, env);
    const again = await volumeTask.run({ request: ofAll, sources }, env);
    expect(again).toEqual(await volumeTask.run({ request: ofAll, sources }, testEnv(stored)));
    expect(again).toHaveLength(2);
    expect(await volumeTask.run({ request: ofAll, sources }, env)).toEqual(again);
  });

  test('need no block', async () => {
    const env = testEnv(new Map([['k', segmentOf(rows, undefined, 'record')]]));
    const volumes = await volumeTask.run({ request: ofOneApp, sources }, env);
    LeafCache.of(env).blocks.clear();
    expect(await volumeTask.run({ request: ofOneApp, sources }, env)).toEqual(volumes);
    expect(LeafCache.of(env).blocks.bytes).toBe(0);
    await volumeTask.run({ request: ofAll, sources }, env);
    expect(LeafCache.of(env).blocks.bytes).toBeGreaterThan(0);
  });
});
