/** Protects processes from the sum of the memory of queries, and small queries from large ones. */
import { parseExpr } from '@loki/logql';
import { leafTask } from '../leaf/leaf-task.ts';
import { evaluate } from '../root/evaluate.ts';
import { runLeaf, segmentOf, tenant, testEnv } from '../test/blocks.ts';
import { stream } from '../test/query.ts';
import { pausingThread } from '../test/thread.ts';
import { MemoryBudget, MemoryPool } from './memory-budget.ts';
import { QueryThread } from './query-thread.ts';

const overloaded = expect.objectContaining({ code: 'overloaded', status: 503 }) as Error;

test('a budget holds what it may, counts what is released, and says its limit in words', () => {
  const budget = new MemoryBudget(3 * 2 ** 20);
  budget.charge(2 * 2 ** 20);
  budget.release(2 ** 20);
  budget.charge(2 * 2 ** 20);
  expect(() => budget.charge(1)).toThrow('the query needs too much memory (limit: 3 MiB)');
  const free = new MemoryBudget();
  free.charge(2 ** 30);
  expect(() => free.charge(4 * 2 ** 30)).toThrow('(limit: 4 GiB)');
});

test('when a pool is taken, who has more than an equal share fails, and the others go on', () => {
  const pool = new MemoryPool(1000);
  const [large, small] = [pool.open(), pool.open()];
  large.charge(900);
  small.charge(100);
  small.charge(200);
  expect(() => large.charge(1)).toThrow(overloaded);
  large.close();
  large.close();
  expect([pool.heldBytes, pool.openCount]).toEqual([300, 1]);
  small.charge(700);
  expect(() => small.charge(1)).toThrow('the query needs too much memory (limit: 1000 B)');
  small.close();
  expect([pool.heldBytes, pool.openCount]).toEqual([0, 0]);
});

test('leaves of a worker share what its environment gives, and leave nothing behind', async () => {
  const env = { ...testEnv(), stateBytesMax: 200_000 };
  const bytes = segmentOf(
    stream(
      { app: 'a' },
      Array.from({ length: 1000 }, (_, i) => `id=${i}`),
    ),
  );
  const leaf = (expr: string) =>
    leafTask.run(
      {
        request: {
          kind: 'samples',
          tenant,
          expr,
          startNs: 0n,
          endNs: 10n ** 12n,
          stepNs: 10n ** 10n,
          seriesMax: 0,
        },
        sources: [{ kind: 'bytes', bytes }],
      },
      env,
    );
  for (let i = 0; i < 3; i++) {
    await expect(leaf('count_over_time({app="a"} | logfmt [10s])')).rejects.toThrow(
      'too much memory (limit: 195.3 KiB)',
    );
    expect(await leaf('sum(count_over_time({app="a"} | logfmt [10s]))')).toMatchObject({ steps: 101 });
  }
  // A worker may drop its caches while a leaf runs, and the next leaf must still share the bytes with it.
  const caches = [...env.cache.values()];
  expect(caches.length).toBeGreaterThan(0);
  expect(caches.filter((each) => each instanceof MemoryPool)).toEqual([]);
});

test('roots share a pool, and leave nothing behind, whether they end well or not', async () => {
  const thread = new QueryThread({ bytesMax: 10_000 });
  const params = {
    tenant,
    startNs: 0n,
    endNs: 0n,
    stepNs: 0n,
    isInstant: true,
    direction: 'forward' as const,
    limit: 0,
    intervalNs: 0n,
    seriesMax: 0,
  };
  const nobody = () => Promise.reject(new Error('no leaf here'));
  const sum = (terms: number) => Array.from({ length: terms }, (_, i) => `vector(${i})`).join(' + ');
  await evaluate(parseExpr(sum(5)), params, nobody, { thread });
  expect([thread.memory.heldBytes, thread.memory.openCount]).toEqual([0, 0]);
  const grid = { ...params, isInstant: false, endNs: 1000n, stepNs: 1n };
  await expect(evaluate(parseExpr(sum(5)), grid, nobody, { thread })).rejects.toThrow('too much memory');
  expect([thread.memory.heldBytes, thread.memory.openCount]).toEqual([0, 0]);
});

test('a root lets others have the thread when it is told to', async () => {
  let pauses = 0;
  const bytes = segmentOf(
    stream(
      { app: 'a' },
      Array.from({ length: 50 }, (_, i) => `id=${i}`),
    ),
  );
  const params = {
    tenant,
    startNs: 100n * 10n ** 9n,
    endNs: 100n * 10n ** 9n,
    stepNs: 0n,
    isInstant: true,
    direction: 'forward' as const,
    limit: 0,
    intervalNs: 0n,
    seriesMax: 0,
  };
  const gone = new Error('client went away');
  const ask = (checkCancelled: () => void) =>
    evaluate(
      parseExpr('sum(count_over_time({app="a"} | logfmt | id!="" [100s]) > 0)'),
      params,
      (request) => runLeaf(request, [{ kind: 'bytes', bytes }]),
      {
        checkCancelled,
        thread: pausingThread(() => (++pauses % 10 === 0 ? Promise.resolve() : undefined)),
      },
    );
  await ask(() => undefined);
  expect(pauses).toBeGreaterThanOrEqual(50);
  const before = pauses;
  // A client that leaves meanwhile is noticed at the next pause.
  await expect(
    ask(() => {
      if (pauses > before + 10) throw gone;
    }),
  ).rejects.toBe(gone);
  expect(pauses).toBeLessThan(before + 40);
});
