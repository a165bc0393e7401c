/**
 * Protects queries on bad days of a bucket, in virtual time: a request in a hundred takes two seconds, one in
 * four is refused, the line is narrow, or no answer comes at all.
 */
import { Readable } from 'node:stream';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { HedgedObjectStore } from './hedged-object-store.ts';
import { MinioObjectStore } from './minio-object-store.ts';
import type { S3Client } from './minio-object-store.ts';
import { StoreTimes } from './store-times.ts';

const tripMs = 30;
const reads = 600;
/** Reads side by side, as those of two scans. */
const atOnce = 48;

/** The server's part of a day: milliseconds until the answer to a request begins, or its refusal. */
type Day = (
  request: number,
  bytes: number,
  nowMs: number,
) => { readonly ms: number; readonly isRefused?: boolean };

function worldOn(day: Day) {
  const scheduler = new VirtualScheduler(1);
  const { clock, timers, random } = new VirtualProcess(scheduler, 'querier');
  const counts = { requests: 0, running: 0, most: 0, refused: 0 };
  const client = {
    async makeRequestAsync({ headers }: { headers: Record<string, string> }) {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'])!.map(Number);
      const bytes = last - first + 1;
      counts.most = Math.max(counts.most, ++counts.running);
      const { ms, isRefused } = day(++counts.requests, bytes, clock.monotonicMs());
      await timers.sleep(ms);
      counts.running--;
      counts.refused += isRefused ? 1 : 0;
      const body = isRefused ? '<Error><Code>SlowDown</Code></Error>' : Buffer.alloc(bytes, 7);
      return Object.assign(Readable.from([body]), {
        statusCode: isRefused ? 503 : 206,
        headers: { 'content-range': `bytes ${first}-${last}/1000000000` },
      });
    },
  } as unknown as S3Client;
  const store = new MinioObjectStore({ client, bucket: 'b', timers, random });
  const hedged = new HedgedObjectStore({ store, times: new StoreTimes(), clock, timers });
  /** Reads ranges of the given length; the milliseconds of all and of the slowest. */
  async function read(bytes: number, count = reads) {
    const startedMs = clock.monotonicMs();
    let next = 0;
    let slowestMs = 0;
    const work = async (): Promise<void> => {
      while (next++ < count) {
        const beganMs = clock.monotonicMs();
        expect((await hedged.getRange('k', 1_000, bytes)).length).toBe(bytes);
        slowestMs = Math.max(slowestMs, clock.monotonicMs() - beganMs);
      }
    };
    await scheduler.settle(Promise.all(Array.from({ length: atOnce }, work)));
    return { ms: clock.monotonicMs() - startedMs, slowestMs };
  }
  return { read, counts, hedged, scheduler, clock };
}

test('a request in a hundred takes two seconds: no read takes as long', async () => {
  const { read, counts } = worldOn((request) => ({
    ms: request % 100 === 50 ? 2_000 : tripMs + (request % 7),
  }));
  const { ms, slowestMs } = await read(20_000);
  expect(slowestMs).toBeLessThan(500);
  expect(ms).toBeLessThan(1_200);
  expect(counts.requests).toBeLessThanOrEqual(reads * 1.05 + 1);
});

test('one request in four is refused: each read is answered, and the server gets no storm', async () => {
  const { read, counts } = worldOn((request) => ({ ms: tripMs, isRefused: (request * 7919) % 4 === 0 }));
  const { ms } = await read(20_000);
  expect(counts.refused).toBeGreaterThan(reads / 5);
  expect(counts.requests).toBeLessThanOrEqual(reads * 1.45);
  expect(ms).toBeLessThan(6_000);
});

test('a server that refuses everything gets eight attempts of each read, which then fails, within 15 s', async () => {
  const { hedged, counts, scheduler, clock } = worldOn(() => ({ ms: 1, isRefused: true }));
  const outcomes = await scheduler.settle(
    Promise.allSettled(Array.from({ length: atOnce }, (_, i) => hedged.getRange('k', i, 10))),
  );
  expect(
    new Set(outcomes.map((each) => (each.status === 'rejected' ? String(each.reason.code) : 'read'))),
  ).toEqual(new Set(['unavailable']));
  expect(counts.requests).toBeLessThanOrEqual(atOnce * 8 * 1.1);
  expect(clock.monotonicMs()).toBeLessThan(15_000);
});

test('a line of 20 MB/s is used, and hardly for second requests', async () => {
  let freeMs = 0;
  const { read, counts } = worldOn((_request, bytes, nowMs) => {
    freeMs = Math.max(freeMs, nowMs) + bytes / 20_000;
    return { ms: tripMs + freeMs - nowMs };
  });
  const bytes = 1 << 20;
  const { ms } = await read(bytes, 200);
  expect(counts.requests).toBeLessThanOrEqual(200 * 1.05 + 1);
  expect(ms).toBeLessThan(((counts.requests * bytes) / 20_000) * 1.05 + tripMs);
});

test('a server that never answers fails a read by its deadline', async () => {
  const { hedged, scheduler, clock } = worldOn(() => ({ ms: 1e9 }));
  await expect(scheduler.settle(hedged.getRange('k', 0, 10))).rejects.toMatchObject({ code: 'unavailable' });
  expect(clock.monotonicMs()).toBeLessThan(5 * 30_000 + 5_000);
});
