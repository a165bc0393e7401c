/**
 * Protects others from tails: equal tails share a scan, tenants take turns, and long scans are not urgent.
 */
import { parseTenantId } from '@loki/model';
import { emptyLogResult } from '@loki/ports';
import type { LeafResult, LogLeafRequest } from '@loki/ports';
import { ManualTime } from '@loki/test-tools';
import { TailTurns } from './tail-turns.ts';
import type { FrameScan, FrameSource, ScanOptions } from './tail-turns.ts';
import { encodeRows, headRecord } from './test/records.ts';

const secondNs = 1_700_000_000_000_000_000n;

interface Scan {
  readonly tenant: string;
  readonly scan: FrameScan;
  readonly options: ScanOptions;
  readonly end: (result?: LeafResult) => void;
}

/** Turns whose scans a test ends by hand. */
function turnsOf(parallelism = 2) {
  const time = new ManualTime();
  const running: Scan[] = [];
  const begun: Scan[] = [];
  const turns = new TailTurns({
    clock: time,
    timers: time,
    parallelism,
    scan: (scan, options) =>
      new Promise((resolve, reject) => {
        const end = (result: LeafResult = emptyLogResult()) => {
          running.splice(running.indexOf(each), 1);
          resolve(result);
        };
        const each = { tenant: scan.request.tenant, scan, options, end };
        running.push(each);
        begun.push(each);
        options.signal.addEventListener('abort', () => {
          running.splice(running.indexOf(each), 1);
          reject(options.signal.reason as Error);
        });
      }),
  });
  return { turns, time, running, begun };
}

function queryOf(tenant: string, expr = '{app="x"}') {
  const id = parseTenantId(tenant);
  const request: LogLeafRequest = {
    kind: 'log',
    tenant: id,
    expr,
    startNs: 0n,
    endNs: 1n << 62n,
    direction: 'forward',
    limit: 0,
  };
  return { tenant, request };
}

function recordOf(tenant: string, offset = 0) {
  return headRecord(offset, encodeRows([{ tenant, app: 'x', ns: secondNs, line: 'a line' }]));
}

/** A tail with these unread records. */
function tailOf(
  query: FrameSource['query'],
  records: readonly ReturnType<typeof recordOf>[],
  startNs = 0n,
): FrameSource {
  const unread = [...records];
  const take = () => ({ records: unread.splice(0), dropped: 0, nextOffset: 1 });
  return { query, partition: 0, startNs, unread, take };
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
const { signal } = new AbortController();

test('equal tails share one scan, wherever they began before the record', async () => {
  const { turns, running, begun } = turnsOf();
  const query = queryOf('a');
  const records = [recordOf('a')];
  // Two scans occupy the tenant's turns while the others come.
  const first = [0, 1].map(() => turns.frame(tailOf(queryOf('a', '{app="y"}'), [recordOf('a')]), signal));
  const tails = Array.from({ length: 100 }, (_, i) =>
    turns.frame(tailOf(query, records, secondNs - BigInt(i)), signal),
  );
  const late = turns.frame(tailOf(query, records, secondNs + 1n), signal);
  expect(begun).toHaveLength(2);
  running[0].end();
  running[0].end();
  await Promise.all(first);
  await settled();
  expect(begun.slice(2).map(({ scan }) => scan.request.startNs < secondNs)).toEqual([true, false]);
  const result = emptyLogResult();
  running[0].end(result);
  const frames = await Promise.all(tails);
  expect(frames.every((frame) => frame.result === result)).toBe(true);
  running[0].end();
  expect((await late).result).not.toBe(result);
});

test('tenants take turns: one with hundreds of tails does not keep the tail of another waiting', async () => {
  const { turns, running, begun } = turnsOf();
  const many = Array.from({ length: 200 }, (_, i) =>
    turns.frame(tailOf(queryOf('a', `{app="${i}"}`), [recordOf('a')]), signal),
  );
  void turns.frame(tailOf(queryOf('b'), [recordOf('b')]), signal);
  expect(begun.map(({ tenant }) => tenant)).toEqual(['a', 'a']);
  running[0].end();
  await settled();
  expect(begun.slice(0, 3).map(({ tenant }) => tenant)).toEqual(['a', 'a', 'b']);
  expect(running.length).toBeLessThanOrEqual(2);
  while (running.length > 0) {
    running[0].end();
    await settled();
  }
  await Promise.all(many);
});

test('a scan that takes long leaves the urgent threads, and so do the next ones of its tenant for a while', async () => {
  const { turns, time, running, begun } = turnsOf();
  const frame = turns.frame(tailOf(queryOf('a'), [recordOf('a')]), signal);
  expect(running[0].options.isUrgent).toBe(true);
  time.pass(100);
  await settled();
  expect(running.map(({ options }) => options.isUrgent)).toEqual([false]);
  running[0].end();
  await frame;
  void turns.frame(tailOf(queryOf('a'), [recordOf('a')]), signal);
  void turns.frame(tailOf(queryOf('b'), [recordOf('b')]), signal);
  expect(begun.slice(2).map(({ tenant, options }) => [tenant, options.isUrgent])).toEqual([
    ['a', false],
    ['b', true],
  ]);
  time.pass(1);
  while (running.length > 0) running[0].end();
  time.pass(1_000);
  void turns.frame(tailOf(queryOf('a'), [recordOf('a')]), signal);
  expect(begun.at(-1)!.options.isUrgent).toBe(true);
});

test('a scan goes on while one of its tails is open, and ends with the last', async () => {
  const { turns, running } = turnsOf();
  const [one, other, third] = [new AbortController(), new AbortController(), new AbortController()];
  const query = queryOf('a');
  const records = [recordOf('a')];
  const busy = [0, 1].map(() => turns.frame(tailOf(queryOf('a', '{app="y"}'), [recordOf('a')]), signal));
  const frames = [one, other, third].map((each) => turns.frame(tailOf(query, records), each.signal));
  third.abort(new Error('left before its turn'));
  await expect(frames[2]).rejects.toThrow('left before its turn');
  while (running.length > 0) running[0].end();
  await Promise.all(busy);
  await settled();
  one.abort(new Error('left'));
  await expect(frames[0]).rejects.toThrow('left');
  expect(running).toHaveLength(1);
  other.abort(new Error('left as well'));
  await expect(frames[1]).rejects.toThrow('left as well');
  expect(running).toHaveLength(0);
});

test('a tail that ended while it waited costs no scan', async () => {
  const { turns, running, begun } = turnsOf();
  void turns.frame(tailOf(queryOf('a', '{app="y"}'), [recordOf('a')]), signal);
  void turns.frame(tailOf(queryOf('a', '{app="y"}'), [recordOf('a')]), signal);
  const ended = turns.frame(tailOf(queryOf('a'), []), signal);
  running[0].end();
  expect((await ended).batch.records).toEqual([]);
  expect(begun).toHaveLength(2);
});
