/** Protects requests that share a thread with queries: however many compute, others wait for one slice. */
import { QueryThread } from './query-thread.ts';
import type { Work } from './sliced-work.ts';

/** Computes for this time on a clock that only work moves. */
function virtualThread() {
  let nowMs = 0;
  const turns: (() => void)[] = [];
  const thread = new QueryThread({
    clock: { monotonicMs: () => nowMs },
    timers: { sleep: () => new Promise((resolve) => turns.push(resolve)) },
  });
  function* work(ms: number): Work<string> {
    for (let i = 0; i < ms; i++) {
      nowMs++;
      yield;
    }
    return 'done';
  }
  /** Lets the loop turn once; milliseconds that queries then had the thread. */
  const turn = async (): Promise<number> => {
    const beganMs = nowMs;
    for (const resume of turns.splice(0)) resume();
    await new Promise((resolve) => setImmediate(resolve));
    return nowMs - beganMs;
  };
  return { thread, work, turn, waiting: () => turns.length, now: () => nowMs };
}

test('between two turns of the loop one query computes, for one slice', async () => {
  const { thread, work, turn, waiting } = virtualThread();
  const all = Array.from({ length: 8 }, () => thread.complete(work(150), () => undefined));
  await new Promise((resolve) => setImmediate(resolve));
  let turns = 0;
  for (; waiting() > 0; turns++) expect(await turn()).toBeLessThanOrEqual(16);
  expect(await Promise.all(all)).toEqual(Array.from({ length: 8 }, () => 'done'));
  expect(turns).toBeGreaterThanOrEqual((8 * 150) / 16 - 8);
});

test('queries that begin at once share the slice of the turn', async () => {
  const { thread, work, turn, waiting, now } = virtualThread();
  const all = Array.from({ length: 30 }, () => thread.complete(work(6), () => undefined));
  await new Promise((resolve) => setImmediate(resolve));
  expect(now()).toBeLessThanOrEqual(16);
  while (waiting() > 0) expect(await turn()).toBeLessThanOrEqual(16);
  expect(await Promise.all(all)).toEqual(Array.from({ length: 30 }, () => 'done'));
});

test('queries take turns: a short one ends while long ones go on', async () => {
  const { thread, work, turn } = virtualThread();
  const long = Array.from({ length: 4 }, () => thread.complete(work(10_000), () => undefined));
  let isDone = false;
  void thread.complete(work(30), () => undefined).then(() => (isDone = true));
  for (let i = 0; i < 15; i++) await turn();
  expect(isDone).toBe(true);
  expect(long).toHaveLength(4);
});

test('a query that is given up ends at its next slice, and the others go on', async () => {
  const { thread, work, turn, waiting } = virtualThread();
  const gone = new Error('the client is gone');
  let isGone = false;
  const given = thread.complete(work(1_000), () => {
    if (isGone) throw gone;
  });
  const other = thread.complete(work(60), () => undefined);
  given.catch(() => undefined);
  isGone = true;
  while (waiting() > 0) await turn();
  await expect(given).rejects.toBe(gone);
  expect(await other).toBe('done');
});
