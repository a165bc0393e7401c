import { Worker } from 'node:worker_threads';
import { eventually } from '@loki/test-tools';
import { InlineWorkers } from './inline-workers.ts';
import { testTasks, unloadableTask, unservedTask } from './testdata/tasks.ts';
import type { WorkerPoolOptions } from './worker-pool-options.ts';
import { WorkerPool } from './worker-pool.ts';

const entry = new URL('./testdata/worker.ts', import.meta.url);

async function withPool(
  options: Partial<WorkerPoolOptions>,
  body: (pool: WorkerPool) => Promise<void>,
): Promise<void> {
  const pool = new WorkerPool({ entry, size: 1, ...options });
  try {
    await body(pool);
  } finally {
    await pool.close();
  }
}

/** [0]: set to 1 to let spinning tasks go; [1]: how many have started. */
function newCell(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Ids of the common threads, which all start: a task of a thread that is idle would take another one's. */
async function startThreads(pool: WorkerPool): Promise<Set<number>> {
  const cells = Array.from({ length: pool.parallelism }, newCell);
  const held = cells.map((cell, affinity) => pool.run(testTasks.spin, cell, { affinity }));
  await eventually(() => cells.every((cell) => Atomics.load(cell, 1) >= 1));
  for (const cell of cells) Atomics.store(cell, 0, 1);
  return new Set(await Promise.all(held));
}

/** A task that runs until its cell `busy` is set, and one behind it whose caller gave up before it began. */
async function giveUpBehindBusy(pool: WorkerPool) {
  const [busy, never] = [newCell(), newCell()];
  const running = pool.run(testTasks.spin, busy);
  const abort = new AbortController();
  const abandoned = pool.run(testTasks.toil, never, { signal: abort.signal });
  await eventually(() => Atomics.load(busy, 1) >= 1);
  abort.abort(new Error('client went away'));
  await expect(abandoned).rejects.toThrow('client went away');
  return { busy, never, running };
}

describe('worker pool', () => {
  test('runs tasks in another thread, with the data the pool was given', () =>
    withPool({ workerData: { zone: 'a' } }, async (pool) => {
      expect(await Promise.all([1, 2, 3].map((n) => pool.run(testTasks.double, n)))).toEqual([2, 4, 6]);
      const { thread, data } = await pool.run(testTasks.whoAmI, null);
      expect(thread).not.toBe(0);
      expect(data).toEqual({ zone: 'a' });
    }));

  test('reports of a thread reach the owner of the pool, and answers reach their callers beside them', async () => {
    const reports: unknown[] = [];
    await withPool({ workerData: 'report', onReport: (content) => reports.push(content) }, async (pool) => {
      expect(await pool.run(testTasks.double, 4)).toBe(8);
      expect(reports).toEqual([{ part: 1 }, { part: 2 }]);
      expect(await pool.run(testTasks.double, 5)).toBe(10);
    });
  });

  // An idle process has the memory of no thread: numbers of threads grow in the order of their starts.
  test('a thread starts with its first task', () =>
    withPool({ size: 2 }, (idle) =>
      withPool({}, async (busy) => {
        const earlier = await busy.run(testTasks.whoAmI, null);
        const later = await idle.run(testTasks.whoAmI, null);
        expect(later.thread).toBe(earlier.thread + 1);
      }),
    ));

  // The first query after a start paid for every thread, 0.1 s of CPU each, though its parts took
  // milliseconds.
  test('short tasks share the thread that has started, whatever their affinity; long ones start another', () =>
    withPool({ size: 2 }, async (pool) => {
      const { thread } = await pool.run(testTasks.whoAmI, null);
      for (const affinity of [1, 0, 1]) {
        expect((await pool.run(testTasks.whoAmI, null, { affinity })).thread).toBe(thread);
      }
      expect(await startThreads(pool)).toContain(thread);
      const threads = [0, 1].map((affinity) => pool.run(testTasks.whoAmI, null, { affinity }));
      expect(new Set((await Promise.all(threads)).map((answer) => answer.thread)).size).toBe(2);
    }));

  // Otherwise 40 MiB would stay in use after a burst of large bodies.
  test('a thread for bodies ends when there are none, and the next one starts it again', () =>
    withPool({ laneIdleMs: 50 }, async (pool) => {
      const common = await pool.run(testTasks.whoAmI, null);
      const bodies = () => pool.run(testTasks.whoAmI, null, { lane: 'bodies' });
      const burst = await Promise.all([bodies(), bodies()]);
      expect(burst[1].thread).toBe(burst[0].thread);
      await new Promise((resolve) => setTimeout(resolve, 500));
      const later = await Promise.all([bodies(), bodies()]);
      expect(later[0].thread).toBeGreaterThan(burst[0].thread);
      expect(later[1].thread).toBe(later[0].thread);
      // It has what queries have decoded.
      expect((await pool.run(testTasks.whoAmI, null)).thread).toBe(common.thread);
    }));

  // A burst of queries starts a thread for each processor, each with 30 MiB and what it has decoded.
  test('common threads end when there are no tasks, all but the first', () =>
    withPool({ size: 3, commonIdleMs: 50 }, async (pool) => {
      const burst = await startThreads(pool);
      expect(burst.size).toBe(3);
      await new Promise((resolve) => setTimeout(resolve, 500));
      const later = await startThreads(pool);
      expect([...later].filter((thread) => burst.has(thread))).toEqual([Math.min(...burst)]);
      expect(later.size).toBe(3);
    }));

  // Otherwise the second thread would end and start again beside a slow stream of pushes.
  test('the second thread stays while urgent tasks come', () =>
    withPool({ size: 2, commonIdleMs: 1_000 }, async (pool) => {
      const before = await startThreads(pool);
      for (let each = 0; each < 12; each++) {
        await pool.run(testTasks.double, each, { isUrgent: true });
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      expect(await startThreads(pool)).toEqual(before);
    }));

  test('a thread for other tenants ends too, and starts again when scans have all threads', () =>
    withPool({ size: 1, tasksPerWorkerMax: 2, commonIdleMs: 50 }, async (pool) => {
      const threadBesideScan = async () => {
        const cell = newCell();
        const held = pool.run(testTasks.spin, cell, { tenant: 'loud' });
        await eventually(() => Atomics.load(cell, 1) >= 1);
        const { thread } = await pool.run(testTasks.whoAmI, null, { tenant: 'quiet' });
        Atomics.store(cell, 0, 1);
        await held;
        return thread;
      };
      const first = await threadBesideScan();
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await threadBesideScan()).toBeGreaterThan(first);
    }));

  test('moves buffers there and back instead of copying, and copies what cannot be moved', () =>
    withPool({}, async (pool) => {
      const bytes = new Uint8Array([1, 2, 3]);
      const answer = await pool.run(testTasks.sum, bytes);
      expect(answer).toEqual({ total: 6, bytes: new Uint8Array([1, 2, 3]) });
      expect(bytes.length).toBe(0);
      const pooled = Buffer.from([4, 5]);
      expect((await pool.run(testTasks.sum, pooled)).total).toBe(9);
      expect([...pooled]).toEqual([4, 5]);
    }));

  test('a failure keeps its code, its text and its cause', () =>
    withPool({}, async (pool) => {
      const refused = pool.run(testTasks.refuse, 'block 7 is damaged');
      await expect(refused).rejects.toMatchObject({
        name: 'LokiError',
        code: 'corrupt',
        status: 500,
        message: 'block 7 is damaged',
        cause: { message: 'the cause' },
      });
      await expect(pool.run(testTasks.fail, 'no')).rejects.toMatchObject({
        name: 'TypeError',
        message: 'no',
      });
      await expect(pool.run(unservedTask, null)).rejects.toMatchObject({ code: 'internal' });
      // Loaded by this call alone: the thread runs tasks of other packages before and after.
      await expect(pool.run(unloadableTask, null)).rejects.toThrow('no such package');
      await expect(pool.run(testTasks.returnFunction, null)).rejects.toMatchObject({
        name: 'DataCloneError',
      });
      await expect(pool.run(testTasks.double, (() => 1) as never)).rejects.toMatchObject({
        name: 'DataCloneError',
      });
      expect(await pool.run(testTasks.double, 4)).toBe(8);
    }));

  test('the same affinity gives the same worker, until that one is much busier', () =>
    withPool({ size: 2, tasksPerWorkerMax: 1, affinitySlackMax: 3 }, async (pool) => {
      await startThreads(pool);
      const first = await pool.run(testTasks.whoAmI, null, { affinity: 1 });
      const other = await pool.run(testTasks.whoAmI, null, { affinity: -2 });
      expect(other.thread).not.toBe(first.thread);
      expect((await pool.run(testTasks.whoAmI, null, { affinity: 7 })).thread).toBe(first.thread);
      const cell = newCell();
      const held = pool.run(testTasks.spin, cell, { affinity: 1 });
      await eventually(() => Atomics.load(cell, 1) >= 1);
      // The preferred worker is held; with the slack used up the idle one answers although it is not
      // preferred.
      const answers = await Promise.all(
        [1, 1, 1, 1].map((affinity) => pool.run(testTasks.whoAmI, null, { affinity })),
      );
      expect(new Set(answers.map((answer) => answer.thread))).toEqual(new Set([other.thread]));
      Atomics.store(cell, 0, 1);
      expect(await held).toBe(first.thread);
    }));

  test('more tasks than may wait are refused as overload, and the rest still run', () =>
    withPool({ tasksPerWorkerMax: 1, tasksQueuedMax: 2 }, async (pool) => {
      const cell = newCell();
      const held = pool.run(testTasks.spin, cell);
      const waiting = [pool.run(testTasks.double, 1), pool.run(testTasks.double, 2)];
      await expect(pool.run(testTasks.double, 3)).rejects.toMatchObject({ code: 'overloaded' });
      Atomics.store(cell, 0, 1);
      await held;
      expect(await Promise.all(waiting)).toEqual([2, 4]);
      expect(await pool.run(testTasks.double, 5)).toBe(10);
    }));

  test('an urgent task does not wait for threads that compute, and its thread takes nothing else', () =>
    withPool(
      { size: 2, tasksPerWorkerMax: 2, workerData: 'common', urgentWorkerData: 'urgent' },
      async (pool) => {
        const cells = [newCell(), newCell(), newCell()];
        const held = cells.map((cell, affinity) => pool.run(testTasks.spin, cell, { affinity }));
        await eventually(() => Atomics.load(cells[0], 1) + Atomics.load(cells[1], 1) >= 2);
        const answers = await Promise.all(
          Array.from({ length: 5 }, () => pool.run(testTasks.whoAmI, null, { isUrgent: true })),
        );
        expect(answers.map(({ data }) => data)).toEqual(Array(5).fill('urgent'));
        // The third spins behind the first: the urgent thread, which is free again, must not have taken it.
        await new Promise((resolve) => setTimeout(resolve, 30));
        expect(Atomics.load(cells[2], 1)).toBe(0);
        for (const cell of cells) Atomics.store(cell, 0, 1);
        const threads = await Promise.all(held);
        expect(threads).not.toContain(answers[0].thread);
      },
    ));

  // One tenant's long scans had every thread, and a small query of another waited for all of them.
  test('a tenant does not wait for the scans of another that has all threads', () =>
    withPool({ size: 2, tasksPerWorkerMax: 2 }, async (pool) => {
      const cells = Array.from({ length: 6 }, newCell);
      const held = cells.map((cell, affinity) =>
        pool.run(testTasks.spin, cell, { affinity, tenant: 'loud' }),
      );
      await eventually(() => Atomics.load(cells[0], 1) + Atomics.load(cells[1], 1) >= 2);
      const quiet = { affinity: 0, tenant: 'quiet' };
      const { thread } = await pool.run(testTasks.whoAmI, null, quiet);
      expect(await pool.run(testTasks.double, 2, quiet)).toBe(4);
      // The rest of the loud one's waits for its own, not for the quiet one's thread.
      expect(cells.slice(2).map((cell) => Atomics.load(cell, 1))).toEqual([0, 0, 0, 0]);
      for (const cell of cells) Atomics.store(cell, 0, 1);
      expect(await Promise.all(held)).not.toContain(thread);
    }));

  // A thread takes seconds to start on a machine that scans already, and the small query would wait for that.
  test('the thread for those who find no other starts when scans have all threads, and not before', () =>
    withPool({ size: 2, tasksPerWorkerMax: 2 }, async (pool) => {
      const common = await startThreads(pool);
      const nextId = () => new Worker('0', { eval: true }).threadId;
      for (const tenant of ['loud', 'quiet']) await pool.run(testTasks.whoAmI, null, { tenant });
      // These timers end after the pool's; threads are numbered in the order in which they are made.
      await new Promise((resolve) => setTimeout(resolve, 300));
      const beforeId = nextId();
      expect(beforeId).toBe(Math.max(...common) + 1);
      const cells = [newCell(), newCell()];
      const held = cells.map((cell, affinity) =>
        pool.run(testTasks.spin, cell, { affinity, tenant: 'loud' }),
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      const laterId = nextId();
      const { thread } = await pool.run(testTasks.whoAmI, null, { affinity: 0, tenant: 'quiet' });
      expect(thread).toBeGreaterThan(beforeId);
      expect(thread).toBeLessThan(laterId);
      for (const cell of cells) Atomics.store(cell, 0, 1);
      await Promise.all(held);
    }));

  // The first long query of a process paid 60 to 140 ms of CPU for a thread that no tenant would use.
  test('where one tenant is alone, its scans start no thread for others', () =>
    withPool({ size: 2, tasksPerWorkerMax: 2 }, async (pool) => {
      const common = await startThreads(pool);
      const cells = [newCell(), newCell()];
      const held = cells.map((cell, affinity) =>
        pool.run(testTasks.spin, cell, { affinity, tenant: 'alone' }),
      );
      // This timer ends after the pool's; threads are numbered in the order in which they are made.
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(new Worker('0', { eval: true }).threadId).toBe(Math.max(...common) + 1);
      for (const cell of cells) Atomics.store(cell, 0, 1);
      await Promise.all(held);
    }));

  // A first scan of 0.3 s took 0.55 with a second thread, which starts and optimises the same code.
  test('another thread starts when a task has waited a quarter of a second, sooner when many wait', async () => {
    const nextId = () => new Worker('0', { eval: true }).threadId;
    const isStartedEarly = (taskCount: number) => {
      let isEarly = false;
      const body = async (pool: WorkerPool) => {
        const { thread } = await pool.run(testTasks.whoAmI, null);
        const cells = Array.from({ length: taskCount }, newCell);
        const held = cells.map((cell, affinity) => pool.run(testTasks.spin, cell, { affinity }));
        // This timer ends before the longer wait, and after the shorter one.
        await new Promise((resolve) => setTimeout(resolve, 200));
        isEarly = nextId() > thread + 1;
        await eventually(() => cells.filter((cell) => Atomics.load(cell, 1) >= 1).length >= 2);
        for (const cell of cells) Atomics.store(cell, 0, 1);
        await Promise.all(held);
      };
      return withPool({ size: 2, tasksPerWorkerMax: 1 }, body).then(() => isEarly);
    };
    expect(await isStartedEarly(2)).toBe(false);
    expect(await isStartedEarly(8)).toBe(true);
  });

  test('urgent tasks take common threads without scans, else their own, and many wait for scans at last', () =>
    withPool(
      { size: 1, tasksPerWorkerMax: 1, workerData: 'common', urgentWorkerData: 'urgent' },
      async (pool) => {
        const whoRuns = async () => (await pool.run(testTasks.whoAmI, null, { isUrgent: true })).data;
        expect(await Promise.all([whoRuns(), whoRuns()])).toEqual(['common', 'common']);
        const [scan, urgent] = [newCell(), newCell()];
        const held = [pool.run(testTasks.spin, scan), pool.run(testTasks.spin, urgent, { isUrgent: true })];
        await eventually(() => Atomics.load(scan, 1) + Atomics.load(urgent, 1) >= 2);
        const others = Array.from({ length: 20 }, whoRuns);
        // The urgent thread ends all that waits for it before the common one is free, and would help.
        Atomics.store(urgent, 0, 1);
        await Promise.all([held[1], ...others.slice(0, 15)]);
        Atomics.store(scan, 0, 1);
        expect(new Set(await Promise.all(held)).size).toBe(2);
        expect(new Set(await Promise.all(others))).toEqual(new Set(['common', 'urgent']));
      },
    ));

  // A thread takes a quarter of a second of CPU to start: beside the first pushes it is missed.
  test('the thread for urgent tasks starts when a scan is on each common thread, not before', () => {
    const starts = newCell();
    return withPool({ size: 1, tasksPerWorkerMax: 1, urgentWorkerData: starts }, async (pool) => {
      await Promise.all([1, 2, 3].map((n) => pool.run(testTasks.double, n, { isUrgent: true })));
      expect(Atomics.load(starts, 0)).toBe(0);
      const scan = newCell();
      const held = pool.run(testTasks.spin, scan);
      expect(await pool.run(testTasks.double, 4, { isUrgent: true })).toBe(8);
      expect(Atomics.load(starts, 0)).toBe(1);
      Atomics.store(scan, 0, 1);
      await held;
    });
  });

  // When the first flush began, pushes waited 0.3 s for the start of the second thread.
  test('a second thread starts beside urgent tasks, before a long task has the first', () =>
    withPool({ size: 2 }, async (pool) => {
      await pool.run(testTasks.double, 1, { isUrgent: true });
      // This timer ends after the pool's; threads are numbered in the order in which they are made.
      await new Promise((resolve) => setTimeout(resolve, 300));
      const laterId = new Worker('0', { eval: true }).threadId;
      const scan = newCell();
      const held = pool.run(testTasks.spin, scan);
      await eventually(() => Atomics.load(scan, 1) >= 1);
      const { thread } = await pool.run(testTasks.whoAmI, null, { isUrgent: true });
      expect(thread).toBeLessThan(laterId);
      Atomics.store(scan, 0, 1);
      expect(await held).not.toBe(thread);
    }));

  test('an aborted task leaves the queue; one that runs is given up; its slot comes back', () =>
    withPool({ tasksPerWorkerMax: 1, tasksQueuedMax: 1 }, async (pool) => {
      const cell = newCell();
      const abort = new AbortController();
      const running = pool.run(testTasks.spin, cell, { signal: abort.signal });
      const queued = pool.run(testTasks.double, 1, { signal: abort.signal });
      await eventually(() => Atomics.load(cell, 1) >= 1);
      abort.abort(new Error('client went away'));
      await expect(running).rejects.toThrow('client went away');
      await expect(queued).rejects.toThrow('client went away');
      const next = pool.run(testTasks.double, 2);
      Atomics.store(cell, 0, 1);
      expect(await next).toBe(4);
      await expect(pool.run(testTasks.double, 1, { signal: abort.signal })).rejects.toThrow(
        'client went away',
      );
    }));

  test('a task that computes without a pause is stopped when its caller gives up', () =>
    withPool({ tasksPerWorkerMax: 1 }, async (pool) => {
      const cell = newCell();
      const abort = new AbortController();
      const running = pool.run(testTasks.toil, cell, { signal: abort.signal });
      await eventually(() => Atomics.load(cell, 1) > 1000);
      expect(Atomics.load(cell, 0)).toBe(0);
      abort.abort(new Error('client went away'));
      await expect(running).rejects.toThrow('client went away');
      // The thread is free again: without the cancellation it would compute without end.
      expect(await pool.run(testTasks.double, 2)).toBe(4);
      expect(Atomics.load(cell, 0)).toBe(1);
    }));

  test('a task given up while it waits in a busy thread never starts', () =>
    withPool({ tasksPerWorkerMax: 2 }, async (pool) => {
      const { busy, never, running } = await giveUpBehindBusy(pool);
      Atomics.store(busy, 0, 1);
      await running;
      expect(await pool.run(testTasks.double, 2)).toBe(4);
      expect(Atomics.load(never, 1)).toBe(0);
    }));

  // One query that cannot be stopped would occupy its thread without end, and delay the queries of others.
  test('a thread that ignores a cancellation is replaced, and the other tasks it had run elsewhere', async () => {
    const replaced: (readonly string[])[] = [];
    const onUnresponsive = (tasks: readonly string[]) => replaced.push(tasks);
    await withPool({ tasksPerWorkerMax: 4, onUnresponsive }, async (pool) => {
      const before = await pool.run(testTasks.whoAmI, null);
      const cell = newCell();
      const abort = new AbortController();
      const hostile = pool.run(testTasks.spin, cell, { signal: abort.signal });
      await eventually(() => Atomics.load(cell, 1) >= 1);
      const innocent = [pool.run(testTasks.double, 1), pool.run(testTasks.double, 2)];
      const moved = pool.run(testTasks.sum, new Uint8Array([1]));
      // No caller gave up: the thread may compute as long as it likes.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const abortedMs = performance.now();
      abort.abort(new Error('client went away'));
      await expect(hostile).rejects.toThrow('client went away');
      // Its bytes went down with the thread.
      await expect(moved).rejects.toMatchObject({ code: 'unavailable' });
      expect(await Promise.all(innocent)).toEqual([2, 4]);
      const tookMs = performance.now() - abortedMs;
      expect(tookMs).toBeGreaterThan(1_900);
      expect((await pool.run(testTasks.whoAmI, null)).thread).not.toBe(before.thread);
      expect(replaced).toEqual([['spin']]);
    });
  });

  test('a thread that is silent at a task whose caller waits is not ended for one that was given up', () =>
    withPool({ tasksPerWorkerMax: 2 }, async (pool) => {
      const { thread } = await pool.run(testTasks.whoAmI, null);
      const { busy, running } = await giveUpBehindBusy(pool);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      Atomics.store(busy, 0, 1);
      expect(await running).toBe(thread);
    }));

  test('a thread that ends fails what it ran, and is replaced', () =>
    withPool({ tasksPerWorkerMax: 1 }, async (pool) => {
      const before = await pool.run(testTasks.whoAmI, null);
      const dying = pool.run(testTasks.die, null);
      const after = pool.run(testTasks.whoAmI, null);
      await expect(dying).rejects.toMatchObject({
        code: 'internal',
        message: expect.stringContaining('exit code 3') as string,
      });
      expect((await after).thread).not.toBe(before.thread);
    }));

  test('when no thread starts, tasks fail instead of waiting for ever', () =>
    withPool({ workerData: 'refuse', size: 2 }, async (pool) => {
      for (let i = 0; i < 8; i++) {
        await expect(pool.run(testTasks.double, 1)).rejects.toMatchObject({
          message: expect.stringMatching(/no environment today|no worker thread starts/) as string,
        });
      }
    }));

  test('close rejects waiting and running tasks', async () => {
    const pool = new WorkerPool({ entry, size: 1, tasksPerWorkerMax: 1 });
    const cell = newCell();
    const held = pool.run(testTasks.spin, cell);
    const queued = pool.run(testTasks.double, 1);
    const closed = pool.close();
    await expect(queued).rejects.toMatchObject({ code: 'unavailable' });
    await expect(held).rejects.toMatchObject({ code: 'internal' });
    await closed;
    await expect(pool.run(testTasks.double, 1)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test('inline workers find what a thread would not take', async () => {
  const env = { objectStore: undefined as never, cache: new Map(), cacheBytesMax: 0 };
  const plain = new InlineWorkers(env);
  expect(await plain.run(testTasks.double, 2)).toBe(4);
  await expect(plain.run(testTasks.refuse, 'no')).rejects.toMatchObject({ code: 'corrupt' });
  const cloning = new InlineWorkers(env, { isCloning: true });
  const bytes = new Uint8Array([1, 2]);
  expect((await cloning.run(testTasks.sum, bytes)).total).toBe(3);
  expect(bytes.length).toBe(0);
  const gone = AbortSignal.abort(new Error('client went away'));
  await expect(plain.run(testTasks.double, 2, { signal: gone })).rejects.toThrow('client went away');
  await expect(cloning.run(testTasks.returnFunction, null)).rejects.toMatchObject({ name: 'DataCloneError' });
});
