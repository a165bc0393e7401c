/** Protects: a seed determines every event of the virtual world. */
import { guardRealWorld } from './guard.ts';
import { Prng } from './prng.ts';
import { VirtualScheduler } from './scheduler.ts';
import { VirtualBucket } from './virtual-object-store.ts';
import { VirtualProcess } from './virtual-process.ts';

/** A small world: a few loops that wait, draw and write, one of which is killed. */
async function play(seed: number): Promise<{ hash: string; log: string[] }> {
  const scheduler = new VirtualScheduler(seed);
  const bucket = new VirtualBucket(scheduler.random.fork('bucket'));
  bucket.faults.errorBefore = 0.2;
  bucket.faults.answerLost = 0.2;
  const log: string[] = [];
  const work = async (process: VirtualProcess) => {
    const store = bucket.client(process);
    for (let i = 0; i < 20; i++) {
      await process.timers.sleep(process.random.float() * 50);
      const outcome = await store.putIfAbsent(`${process.name}/${i}`, Buffer.from('x')).catch(() => 'error');
      log.push(`${process.clock.nowMs()} ${process.name} ${i} ${outcome}`);
    }
  };
  const [a, b] = ['a', 'b'].map((name) => new VirtualProcess(scheduler, name));
  for (const process of [a, b]) work(process).catch((error) => scheduler.fail(error));
  scheduler.after(300, 'crash b', () => b.kill());
  await scheduler.run();
  return { hash: scheduler.traceHash(), log };
}

describe('the virtual scheduler', () => {
  test('the same seed gives the same trace, another seed another', async () => {
    const [one, again, other] = [await play(7), await play(7), await play(8)];
    expect(again).toEqual(one);
    expect(other.hash).not.toBe(one.hash);
  });

  test('a killed process does nothing more, though what it sent arrives', async () => {
    const { log } = await play(7);
    const ofB = log.filter((line) => line.includes(' b '));
    expect(ofB.length).toBeLessThan(20);
    expect(log.filter((line) => line.includes(' a '))).toHaveLength(20);
  });

  test('events run in time order, and all micro-tasks run between two of them', async () => {
    const scheduler = new VirtualScheduler(1);
    const seen: string[] = [];
    scheduler.after(5, 'late', () => seen.push('late'));
    scheduler.after(1, 'early', () => {
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => seen.push('micro'));
      seen.push('early');
    });
    await scheduler.run();
    expect(seen).toEqual(['early', 'micro', 'late']);
    expect(scheduler.nowMs).toBe(5);
  });

  test('a paused process catches up when it goes on', async () => {
    const scheduler = new VirtualScheduler(1);
    const process = new VirtualProcess(scheduler, 'p');
    let at = -1;
    void process.timers.sleep(10).then(() => (at = scheduler.nowMs));
    process.pause(60_000);
    await scheduler.run();
    expect(at).toBe(60_000);
  });

  test('a sleep that is aborted rejects with the reason and leaves nothing behind', async () => {
    const scheduler = new VirtualScheduler(1);
    const process = new VirtualProcess(scheduler, 'p');
    const abort = new AbortController();
    const sleep = process.timers.sleep(1e6, abort.signal);
    scheduler.after(1, 'abort', () => abort.abort(new Error('enough')));
    await expect(scheduler.settle(sleep)).rejects.toThrow('enough');
    expect(scheduler.nowMs).toBe(1);
  });

  test('a loop that never settles is a failure, not a hang', async () => {
    const scheduler = new VirtualScheduler(1);
    const spin = () => void scheduler.after(0, 'spin', spin);
    spin();
    await expect(scheduler.run({ eventsMax: 1000 })).rejects.toThrow('did not settle');
  });
});

describe('the guard', () => {
  test('the real clock, timers and randomness throw while it stands', () => {
    const lift = guardRealWorld();
    try {
      expect(() => Date.now()).toThrow('use libs/words/ports');
      expect(() => new Date()).toThrow('use libs/words/ports');
      expect(() => Math.random()).toThrow('use libs/words/ports');
      expect(() => setTimeout(() => {}, 1)).toThrow('use libs/words/ports');
      expect(new Date(0).toISOString()).toBe('1970-01-01T00:00:00.000Z');
    } finally {
      lift();
    }
    expect(Date.now()).toBeGreaterThan(0);
    expect(Math.random()).toBeLessThan(1);
  });
});

describe('seeded randomness', () => {
  test('is uniform enough, and forks are independent of each other', () => {
    const prng = new Prng(42);
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 10_000; i++) buckets[prng.int(0, 9)]++;
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(new Prng(1).fork('a').uint32()).not.toBe(new Prng(1).fork('b').uint32());
    expect(new Prng(1).fork('a').uint32()).toBe(new Prng(1).fork('a').uint32());
  });
});
