/** Protects queries over many segments: the same answer, and no more in memory than some parts of it. */
import { emptyLeafStats } from '@loki/ports';
import type { SampleLeafRequest, SampleLeafResult } from '@loki/ports';
import { QueryThread } from '../common/query-thread.ts';
import { atOnce } from '../common/sliced-work.ts';
import { tenant } from '../test/blocks.ts';
import { mergeAsTheyCome } from './merge-as-they-come.ts';
import { mergeLeafResults } from './merge-leaf-results.ts';
import { packLeafResult } from './packed-result.ts';

const steps = 100;
const thread = new QueryThread();

function request(expr: string, memoryBytesMax?: number): SampleLeafRequest {
  return {
    kind: 'samples',
    tenant,
    expr,
    startNs: 0n,
    endNs: BigInt(steps - 1),
    stepNs: 1n,
    seriesMax: 0,
    memoryBytesMax,
  };
}

/** One series, whose samples all came at the same time: only the order of parts tells which is the last. */
function result(part: number, name = 'same'): SampleLeafResult {
  const column = (value: number) => new Float64Array(steps).fill(value);
  return {
    kind: 'samples',
    steps,
    series: [{ labels: [['name', name]], columns: [column(1), column(5), column(part), column(0)] }],
    stats: { ...emptyLeafStats(), segments: 1 },
  };
}

/** Each part alone. */
const single = (parts: number): number[][] => Array.from({ length: parts }, (_, part) => [part]);

const last = 'last_over_time({a="b"} | unwrap v [1m])';

test('merges in the order of the parts, in whatever order they end', async () => {
  const parts = 53;
  const gates = Array.from({ length: parts }, () => Promise.withResolvers<void>());
  let running = 0;
  let most = 0;
  const merged = mergeAsTheyCome(
    request(last),
    single(parts),
    async (part) => {
      most = Math.max(most, ++running);
      await gates[part].promise;
      running--;
      return [packLeafResult(result(part))];
    },
    { atOnce: 7, thread },
  );
  // Of those that run, the latest first.
  for (let from = 0; from < parts; from += 7) {
    for (let part = Math.min(from + 6, parts - 1); part >= from; part--) {
      gates[part].resolve();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const all = Array.from({ length: parts }, (_, part) => result(part));
  expect(await merged).toEqual(atOnce(mergeLeafResults(request(last), all)));
  expect((await merged) as SampleLeafResult).toMatchObject({ stats: { segments: parts } });
  expect(most).toBe(7);
});

test('a thousand results of the same series fit where one does; of different ones they do not', async () => {
  const limited = request(last, 20_000);
  const run = (name: (part: number) => string) =>
    mergeAsTheyCome(limited, single(1000), async (part) => [packLeafResult(result(part, name(part)))], {
      atOnce: 4,
      thread,
    });
  expect(((await run(() => 'same')) as SampleLeafResult).series[0].columns[0][0]).toBe(1000);
  await expect(run((part) => `${part}`)).rejects.toMatchObject({
    code: 'badRequest',
    message: expect.stringContaining('too much memory (limit: 19.5 KiB)') as string,
  });
});

test('parts of a batch end together, and merge in the order of all parts', async () => {
  const batches = [
    [0, 3, 4],
    [1, 2],
    [5, 6],
  ];
  const merged = await mergeAsTheyCome(
    request(last),
    batches,
    async (batch) => {
      // The first batch ends last.
      for (let turn = 0; batch === 0 && turn < 5; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return batches[batch].map((part) => packLeafResult(result(part)));
    },
    { atOnce: 2, thread },
  );
  const all = Array.from({ length: 7 }, (_, part) => result(part));
  expect(merged).toEqual(atOnce(mergeLeafResults(request(last), all)));
});

test('no part is no result; one that fails ends the others, and none begins after it', async () => {
  expect(
    await mergeAsTheyCome(request(last), [], () => Promise.reject(new Error('none')), { atOnce: 2, thread }),
  ).toMatchObject({
    series: [],
  });
  const begun: number[] = [];
  const ended: number[] = [];
  const failing = mergeAsTheyCome(
    request(last),
    single(10),
    async (part, signal) => {
      begun.push(part);
      if (part === 1) throw new Error('a broken block');
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      ended.push(part);
      throw signal.reason;
    },
    { atOnce: 3, thread },
  );
  await expect(failing).rejects.toThrow('a broken block');
  await new Promise((resolve) => setImmediate(resolve));
  expect([begun, ended]).toEqual([
    [0, 1, 2],
    [0, 2],
  ]);
});

test('an abort of the caller ends the merge', async () => {
  const client = new AbortController();
  const waiting = mergeAsTheyCome(
    request(last),
    single(3),
    (_, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      ),
    { atOnce: 3, thread, signal: client.signal },
  );
  client.abort(new Error('client went away'));
  await expect(waiting).rejects.toThrow('client went away');
});
