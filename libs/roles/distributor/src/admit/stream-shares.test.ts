/**
 * Protects: a client that gets 429 for a stream's rate stores all its lines by sending the same push
 * again, in every format, and the rows of a hot stream go where their time says.
 */
import { compressSync } from 'snappy';
import type { Limits } from '@loki/config';
import { encodePushRequest } from '@loki/proto';
import { shardOfRow } from '../streams/partition-chooser.ts';
import type { ShardStep, StreamShards } from '../streams/partition-chooser.ts';
import { defaultLimits, storedEntries, testDistributor } from '../test/distributor.ts';

const nowMs = Date.UTC(2026, 0, 15, 12, 30);

/** 1 KiB a second, 4 KiB at once. */
const slow: Limits = { ...defaultLimits, perStreamRateLimitBytes: 1024, perStreamRateLimitBurstBytes: 4096 };

interface Row {
  readonly app: string;
  readonly line: string;
}

const rowsOf = (app: string, count: number, mark: string): Row[] =>
  Array.from({ length: count }, (_, i) => ({ app, line: `${mark}${i}`.padEnd(1000, '.') }));

const nsOf = (index: number) => `${nowMs}${String(index).padStart(6, '0')}`;

/** The same rows in each format that there is. */
const formats: Record<
  string,
  (rows: readonly Row[]) => Parameters<ReturnType<typeof testDistributor>['push']>[1]
> = {
  JSON: (rows) => ({
    body: Buffer.from(
      JSON.stringify({
        streams: [...new Set(rows.map(({ app }) => app))].map((app) => ({
          stream: { app },
          values: rows.flatMap((row, i) => (row.app === app ? [[nsOf(i), row.line]] : [])),
        })),
      }),
    ),
  }),
  // As pino-loki sends them.
  'JSON, each line in a stream object of its own': (rows) => ({
    body: Buffer.from(
      JSON.stringify({
        streams: rows.map(({ app, line }, i) =>
          i % 2 === 0
            ? { stream: { app, a: '1' }, values: [[nsOf(i), line]] }
            : { stream: { a: '1', app }, values: [[nsOf(i), line]] },
        ),
      }),
    ),
  }),
  protobuf: (rows) => ({
    headers: new Map([['content-type', 'application/x-protobuf']]),
    body: compressSync(
      encodePushRequest({
        streams: [...new Set(rows.map(({ app }) => app))].map((app) => ({
          labels: `{app="${app}"}`,
          entries: rows.flatMap((row, i) =>
            row.app === app ? [{ timestampNs: BigInt(nsOf(i)), line: row.line }] : [],
          ),
        })),
      }),
    ),
  }),
  OTLP: (rows) => ({
    path: '/otlp/v1/logs',
    body: Buffer.from(
      JSON.stringify({
        resourceLogs: [...new Set(rows.map(({ app }) => app))].map((app) => ({
          resource: { attributes: [{ key: 'service.name', value: { stringValue: app } }] },
          scopeLogs: [
            {
              logRecords: rows.flatMap((row, i) =>
                row.app === app ? [{ timeUnixNano: nsOf(i), body: { stringValue: row.line } }] : [],
              ),
            },
          ],
        })),
      }),
    ),
  }),
  legacy: (rows) => ({
    path: '/api/prom/push',
    body: Buffer.from(
      JSON.stringify({
        streams: [...new Set(rows.map(({ app }) => app))].map((app) => ({
          labels: `{app="${app}"}`,
          entries: rows.flatMap((row, i) =>
            row.app === app
              ? [{ ts: `2026-01-15T12:30:00.000${String(i).padStart(6, '0')}Z`, line: row.line }]
              : [],
          ),
        })),
      }),
    ),
  }),
};

describe.each(Object.entries(formats))('%s', (_, requestOf) => {
  const world = () => testDistributor({ nowMs, limits: () => slow });
  const linesOf = ({ log }: ReturnType<typeof testDistributor>) =>
    storedEntries(log)
      .map(({ line }) => line[0])
      .join('');

  test('a share is taken whole or refused whole, and nothing is charged when it is refused', async () => {
    const { push, clock, ...rest } = world();
    expect((await push('t', requestOf(rowsOf('a', 3, 'x')))).status).toBe(204);
    for (let i = 0; i < 5; i++) {
      const answer = await push('t', requestOf(rowsOf('a', 3, 'y')));
      expect([answer.status, answer.headers?.['retry-after']]).toEqual([429, '2']);
    }
    expect(linesOf({ push, clock, ...rest })).toBe('xxx');
    clock.ms += 2_000;
    expect((await push('t', requestOf(rowsOf('a', 3, 'y')))).status).toBe(204);
    expect(linesOf({ push, clock, ...rest })).toBe('xxxyyy');
  });

  test('two streams of a push do not keep each other out', async () => {
    const { push, clock, ...rest } = world();
    // Each is larger than the bytes that a bucket gains in a second, and the bucket of b is empty.
    expect((await push('t', requestOf(rowsOf('b', 4, 'x')))).status).toBe(204);
    const request = requestOf([...rowsOf('a', 3, 'a'), ...rowsOf('b', 3, 'b')]);
    let attempts = 1;
    while ((await push('t', request)).status === 429) {
      clock.ms += 1_000;
      expect(++attempts).toBeLessThan(6);
    }
    // The ingester removes repeated rows.
    expect(new Set(linesOf({ push, clock, ...rest }))).toEqual(new Set(['x', 'a', 'b']));
    expect(linesOf({ push, clock, ...rest }).match(/b/g)).toHaveLength(3);
  });

  test('a share beyond the burst is admitted after repeats', async () => {
    const { push, clock, ...rest } = world();
    let seconds = 0;
    for (; (await push('t', requestOf(rowsOf('a', 9, 'y')))).status === 429; seconds++) clock.ms += 1_000;
    expect(seconds).toBe(5); // 9000 bytes, 4096 of them at once, 1024 a second
    expect(linesOf({ push, clock, ...rest })).toBe('y'.repeat(9));
  });
});

test('a tenant’s rate is not charged for what a stream’s limit refused', async () => {
  const limits = { ...slow, ingestionRateBytes: 1, ingestionBurstBytes: 7_500 };
  const { push } = testDistributor({ nowMs, limits: () => limits });
  expect((await push('t', formats['JSON'](rowsOf('a', 4, 'x')))).status).toBe(204);
  for (let i = 0; i < 5; i++) {
    expect((await push('t', formats['JSON'](rowsOf('a', 3, 'y')))).status).toBe(429);
  }
  expect((await push('t', formats['JSON'](rowsOf('b', 3, 'z')))).status).toBe(204);
});

test('rows too far behind are refused by themselves, with a share that is taken and with one that is not', async () => {
  const { push, clock, log } = testDistributor({ nowMs, limits: () => slow });
  const request = (mark: string, behindHours: number) => ({
    body: Buffer.from(
      JSON.stringify({
        streams: [
          {
            stream: { app: 'a' },
            values: [
              [nsOf(0), mark.repeat(2500)],
              [`${nowMs - behindHours * 3_600_000}000000`, 'old'],
            ],
          },
        ],
      }),
    ),
  });
  expect((await push('t', request('x', 3))).status).toBe(400);
  expect((await push('t', request('y', 3))).status).toBe(429);
  clock.ms += 2_000;
  expect((await push('t', request('y', 3))).status).toBe(400);
  expect(storedEntries(log).map(({ line }) => line[0])).toEqual(['x', 'y']);
});

/** Steps as a test sets them. */
class FixedShards implements StreamShards {
  steps: readonly ShardStep[] | undefined;
  readonly wanted: [shards: number, newestSeconds: number][] = [];
  of(): readonly ShardStep[] | undefined {
    return this.steps;
  }
  want(_placement: number, shards: number, newestSeconds: number): void {
    this.wanted.push([shards, newestSeconds]);
  }
}

describe('a hot stream', () => {
  const hot = {
    ...defaultLimits,
    ingestionRateBytes: 1e9,
    ingestionBurstBytes: 1e9,
    perStreamRateLimitBytes: 10_000,
    perStreamRateLimitBurstBytes: 10_000,
    shardStreams: { enabled: true, desiredRateBytes: 5_000 },
  };

  test('wants as many partitions as its rate needs, and as there are', async () => {
    const streamShards = new FixedShards();
    const { push } = testDistributor({ nowMs, limits: () => hot, partitions: 8, deps: { streamShards } });
    for (let i = 0; i < 20; i++) {
      expect((await push('t', formats['JSON'](rowsOf('a', 4, `${i}-`)))).status).toBe(204);
    }
    expect(streamShards.wanted.map(([shards]) => shards)).toEqual([
      2, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    ]);
    expect(streamShards.wanted.every(([, newest]) => newest === nowMs / 1_000)).toBe(true);
  });

  test('goes to its partitions by the time of each row; order and content are as they were', async () => {
    const streamShards = new FixedShards();
    const fromSeconds = nowMs / 1_000;
    streamShards.steps = [{ fromSeconds, untilSeconds: fromSeconds + 5, shards: 4 }];
    const { push, log } = testDistributor({ nowMs, partitions: 4, deps: { streamShards } });
    const values = Array.from({ length: 2_000 }, (_, i) => [`${nowMs - 2_000 + 5 * i}000000`, `line ${i}`]);
    const body = Buffer.from(JSON.stringify({ streams: [{ stream: { app: 'a' }, values }] }));
    expect((await push('t', { body })).status).toBe(204);
    const byPartition = new Map<number, string[]>();
    for (const { partition, record } of log.records) {
      const lines = storedEntries({ records: [{ partition, record }] }).map(({ line }) => line);
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), ...lines]);
    }
    const counts = [...byPartition.values()].map((lines) => lines.length).sort((a, b) => b - a);
    expect(counts.reduce((sum, count) => sum + count)).toBe(2_000);
    // Before and after the step all of it goes to one partition: 400 and 600 rows; a quarter of the others,
    // about, to each.
    expect(counts).toHaveLength(4);
    expect(counts[0]).toBeGreaterThan(1_000 + 150);
    for (const count of counts.slice(1)) expect(count).toBeGreaterThan(150);
    // A retry goes the same way.
    log.records.length = 0;
    expect((await push('t', { body })).status).toBe(204);
    for (const { partition, record } of log.records) {
      const lines = storedEntries({ records: [{ partition, record }] }).map(({ line }) => line);
      expect(byPartition.get(partition)).toEqual(expect.arrayContaining(lines));
    }
  });
});

test('rows of one time go to one shard, and those of other times are spread evenly', () => {
  const steps = [{ fromSeconds: 100, untilSeconds: 1e9, shards: 5 }];
  const counts = new Map<number, number>();
  for (let slot = 0; slot < 50_000; slot++) {
    const [seconds, nanos] = [1_000 + Math.floor(slot / 50), (slot % 50) * 20_000_000];
    const shard = shardOfRow(steps, seconds, nanos);
    expect(shardOfRow(steps, seconds, nanos)).toBe(shard);
    counts.set(shard, (counts.get(shard) ?? 0) + 1);
  }
  expect(counts.size).toBe(5);
  for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

test.each([
  [99, 0],
  [100, 2],
  [149, 2],
  [150, 8],
  [199, 8],
  [200, 1],
  [299, 1],
  [300, 1],
])('at %d s the step of that time decides', (seconds, shards) => {
  const steps = [
    { fromSeconds: 100, untilSeconds: 1_000, shards: 2 },
    { fromSeconds: 150, untilSeconds: 1_000, shards: 8 },
    { fromSeconds: 200, untilSeconds: 300, shards: 1 },
  ];
  const seen = new Set(
    Array.from({ length: 60 }, (_, slot) => shardOfRow(steps, seconds, slot * 16_700_000)),
  );
  expect(Math.max(...seen)).toBe(Math.max(0, shards - 1));
});
