import fc from 'fast-check';
import { MemoryObjectStore } from '@loki/object-store';
import type { Logger, ObjectStore, Timers } from '@loki/ports';
import { StreamShardsState } from './stream-shards-state.ts';
import type { ShardManifest } from './stream-shards-state.ts';
import { StreamShards } from './stream-shards.ts';

// Protects placement: a row of a hot stream goes to the same partition whenever it is sent again, also by
// another distributor, after a restart, and when the store was slow to take what was decided.

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** Time that stands until it is moved; sleepers wake in order. */
class ManualTime {
  ms = 1_700_000_000_000;
  #waiting: { atMs: number; wake: () => void }[] = [];
  readonly clock = {
    nowMs: () => this.ms,
    nowNs: () => BigInt(this.ms) * 1_000_000n,
    monotonicMs: () => this.ms,
  };
  readonly timers: Timers = {
    after: (delayMs, wake) => {
      const timer = { atMs: this.ms + delayMs, wake };
      this.#waiting.push(timer);
      return { cancel: () => void (this.#waiting = this.#waiting.filter((each) => each !== timer)) };
    },
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        this.timers.after(delayMs, resolve);
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  };

  async pass(ms: number): Promise<void> {
    for (const untilMs = this.ms + ms; this.ms < untilMs; this.ms += 250) {
      await settle();
      const due = this.#waiting.filter(({ atMs }) => atMs <= this.ms);
      this.#waiting = this.#waiting.filter(({ atMs }) => atMs > this.ms);
      for (const { wake } of due) wake();
    }
    await settle();
  }
}

/** Lets promises run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
}

/** A store that fails or holds back answers when told so. */
class UnsteadyStore {
  readonly inner = new MemoryObjectStore();
  isDown = false;
  losesAnswers = false;
  readonly store = new Proxy(this.inner as ObjectStore, {
    get: (inner, name) => {
      const value = Reflect.get(inner, name) as unknown;
      if (name === 'get' && this.isDown) return () => Promise.reject(new Error('the store is down'));
      if (name !== 'putIfAbsent') return typeof value === 'function' ? (value.bind(inner) as unknown) : value;
      return async (...args: Parameters<ObjectStore['putIfAbsent']>) => {
        if (this.isDown) throw new Error('the store is down');
        const answer = await inner.putIfAbsent(...args);
        if (this.losesAnswers) throw new Error('the answer is lost');
        return answer;
      };
    },
  });
}

const placement = 0xdeadbeef;

async function started(
  time: ManualTime,
  store: ObjectStore,
  writer = 'a',
  distributors = 1,
): Promise<StreamShards> {
  const shards = new StreamShards({
    clock: time.clock,
    timers: time.timers,
    objectStore: store,
    logger,
    writer,
    healthyDistributors: () => distributors,
  });
  await shards.start();
  return shards;
}

const stepsOf = (shards: StreamShards) =>
  shards.of(placement)?.map(({ fromSeconds, shards: count }) => [fromSeconds, count]);

test('a step begins after every row that was placed without it, and holds after a restart', async () => {
  const time = new ManualTime();
  const { store } = new UnsteadyStore();
  const shards = await started(time, store);
  expect(shards.of(placement)).toBeUndefined();
  const nowSeconds = time.ms / 1_000;
  // A client whose clock is a minute ahead.
  shards.want(placement, 4, nowSeconds + 60);
  await settle();
  expect(stepsOf(shards)).toEqual([[nowSeconds + 63, 4]]);
  expect(stepsOf(await started(time, store))).toEqual(stepsOf(shards));
  // It does not request a number of shards that it has; more shards begin later in time only.
  await time.pass(10_000);
  shards.want(placement, 2, nowSeconds);
  shards.want(placement, 8, nowSeconds);
  await settle();
  expect(stepsOf(shards)).toEqual([[nowSeconds + 63, 4]]);
  await time.pass(60_000);
  shards.want(placement, 8, nowSeconds + 70);
  await settle();
  expect(stepsOf(shards)).toEqual([
    [nowSeconds + 63, 4],
    [nowSeconds + 73, 8],
  ]);
});

test('a step is followed by another before its end while the stream is hot, and by none when it is not', async () => {
  const time = new ManualTime();
  const { store } = new UnsteadyStore();
  const shards = await started(time, store);
  const fromSeconds = time.ms / 1_000;
  shards.want(placement, 4, fromSeconds);
  await settle();
  const [{ untilSeconds }] = shards.of(placement)!;
  expect(untilSeconds - fromSeconds).toBeLessThan(7 * 3_600);
  shards.want(placement, 2, untilSeconds - 700);
  await settle();
  expect(shards.of(placement)).toHaveLength(1);
  time.ms = (untilSeconds - 500) * 1_000;
  shards.want(placement, 2, untilSeconds - 500);
  await settle();
  expect(shards.of(placement)!.map((step) => step.shards)).toEqual([4, 2]);
  expect(shards.of(placement)![1].fromSeconds).toBeLessThan(untilSeconds);
});

test('several distributors know of a step before it begins', async () => {
  const time = new ManualTime();
  const { store } = new UnsteadyStore();
  const one = await started(time, store, 'a', 2);
  const other = await started(time, store, 'b', 2);
  const nowSeconds = time.ms / 1_000;
  one.want(placement, 4, nowSeconds);
  other.want(placement, 8, nowSeconds + 1);
  await settle();
  await time.pass(25_000);
  expect(stepsOf(one)).toEqual(stepsOf(other));
  expect(stepsOf(one)!.every(([from]) => from > time.ms / 1_000)).toBe(true);
});

test('a distributor that stood still reads what it missed before it places a row; while the store fails it does not wait', async () => {
  const time = new ManualTime();
  const unsteady = new UnsteadyStore();
  const one = await started(time, unsteady.store, 'a', 2);
  const other = await started(time, unsteady.store, 'b', 2);
  expect(other.caughtUp()).toBeUndefined();
  one.want(placement, 4, time.ms / 1_000);
  await settle();
  time.ms += 300_000;
  expect(other.of(placement)).toBeUndefined();
  await other.caughtUp();
  expect(stepsOf(other)).toEqual(stepsOf(one));
  expect(other.caughtUp()).toBeUndefined();
  time.ms += 300_000;
  unsteady.isDown = true;
  await other.caughtUp();
  expect(other.caughtUp()).toBeUndefined();
});

test('a step that the store takes too late is taken back, for all', async () => {
  const time = new ManualTime();
  const unsteady = new UnsteadyStore();
  const shards = await started(time, unsteady.store);
  const nowSeconds = time.ms / 1_000;
  shards.want(placement, 2, nowSeconds);
  await settle();
  await time.pass(10_000);
  // It takes the step, but no reader learns of it until rows behind its begin have been placed without it.
  unsteady.losesAnswers = true;
  shards.want(placement, 8, nowSeconds + 10);
  await settle();
  expect(stepsOf(shards)!.at(-1)![1]).toBe(2);
  unsteady.losesAnswers = false;
  const held = shards.of(placement)!.at(-1)!;
  time.ms += 10_000;
  await time.pass(5_000);
  const { fromSeconds, untilSeconds, shards: count } = shards.of(placement)!.at(-1)!;
  expect([untilSeconds, count]).toEqual([held.untilSeconds, 2]);
  expect(fromSeconds).toBeGreaterThan(held.fromSeconds);
  expect(stepsOf(await started(time, unsteady.store, 'b'))).toEqual(stepsOf(shards));
});

test('while the store is down nothing is sharded; the first push after that wants again', async () => {
  const time = new ManualTime();
  const unsteady = new UnsteadyStore();
  const shards = await started(time, unsteady.store);
  unsteady.isDown = true;
  shards.want(placement, 4, time.ms / 1_000);
  await time.pass(20_000);
  expect(shards.of(placement)).toBeUndefined();
  unsteady.isDown = false;
  await time.pass(2_000);
  expect(shards.of(placement)).toBeUndefined();
  shards.want(placement, 4, time.ms / 1_000);
  await settle();
  expect(stepsOf(shards)).toEqual([[time.ms / 1_000 + 3, 4]]);
  shards.close();
});

test('manifests and checkpoints say the same, and damage is seen', () => {
  const step = fc.record({
    placement: fc.integer({ min: 0, max: 3 }),
    fromSeconds: fc.integer({ min: -10, max: 1_000 }),
    length: fc.nat(1_000),
    shards: fc.integer({ min: 1, max: 64 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 20 }), fc.nat(), (lists, at) => {
      const folded = new StreamShardsState();
      const read = new StreamShardsState();
      lists.forEach((list, i) => {
        const steps = list.map(({ length, ...rest }) => ({
          ...rest,
          untilSeconds: rest.fromSeconds + length,
        }));
        const manifest: ShardManifest = { number: i + 1, createdMs: i, writer: 'w', steps };
        folded.fold(manifest);
        const bytes = folded.encodeManifest(manifest);
        expect(read.decodeManifest(bytes, 'k')).toEqual(manifest);
        bytes[at % bytes.length] ^= 1;
        expect(() => read.decodeManifest(bytes, 'k')).toThrow();
      });
      read.decodeCheckpoint(folded.encodeCheckpoint(), 'k');
      expect([...read.steps]).toEqual([...folded.steps]);
      for (const steps of folded.steps.values()) {
        steps.forEach(({ fromSeconds }, i) =>
          expect(i === 0 || fromSeconds > steps[i - 1].fromSeconds).toBe(true),
        );
      }
    }),
  );
});

test('steps are forgotten long after their end', () => {
  const state = new StreamShardsState();
  const step = { placement, fromSeconds: 0, untilSeconds: 100, shards: 2 };
  state.fold({
    number: 1,
    createdMs: 0,
    writer: '',
    steps: [step, { ...step, fromSeconds: 50, untilSeconds: 1e6 }],
  });
  state.fold({ number: 2, createdMs: 31 * 86_400_000, writer: '', steps: [] });
  expect(state.steps.get(placement)).toEqual([{ ...step, fromSeconds: 50, untilSeconds: 1e6 }]);
  state.fold({ number: 3, createdMs: 60 * 86_400_000, writer: '', steps: [] });
  expect(state.steps.has(placement)).toBe(false);
});
