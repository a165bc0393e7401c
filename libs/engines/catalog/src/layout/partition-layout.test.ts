import { LokiError } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { Logger, ObjectStore, Timers } from '@loki/ports';
import { LayoutState } from './partition-layout-state.ts';
import { PartitionLayout } from './partition-layout.ts';

// Protects partitions that are added: readers know of them before the first row, and each row stays where it
// was.

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** Time that stands until the test moves it; no timer fires. */
class StoppedTime {
  ms = 1_700_000_000_000;
  readonly clock = {
    nowMs: () => this.ms,
    nowNs: () => BigInt(this.ms) * 1_000_000n,
    monotonicMs: () => this.ms,
  };
  readonly timers: Timers = {
    after: () => ({ cancel: () => undefined }),
    sleep: () => new Promise(() => undefined),
  };
}

class World {
  readonly time = new StoppedTime();
  readonly inner = new MemoryObjectStore();
  isDown = false;
  requests = 0;
  readonly store = new Proxy(this.inner as ObjectStore, {
    get: (inner, name) => {
      const value = Reflect.get(inner, name) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        this.requests++;
        if (this.isDown) throw new LokiError('unavailable', 'the store is down');
        return Reflect.apply(value, inner, args) as unknown;
      };
    },
  });

  /** @param clockMs how far the process's wall clock is ahead */
  async process(count = 4, clockMs = 0): Promise<PartitionLayout> {
    const { timers } = this.time;
    const clock = { ...this.time.clock, nowMs: () => this.time.ms + clockMs };
    const layout = new PartitionLayout({ objectStore: this.store, clock, timers, logger, count });
    await layout.start();
    return layout;
  }

  /** The processes look at the log's number of partitions, every five seconds. */
  async pass(ms: number, layouts: readonly PartitionLayout[], logPartitions: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 5_000) {
      this.time.ms += Math.min(5_000, ms - passedMs);
      for (const layout of layouts) await layout.advance(logPartitions, this.time.ms);
    }
  }

  get nowSeconds(): number {
    return this.time.ms / 1_000;
  }
}

const shown = ({ owned, asked, steps }: PartitionLayout) => ({
  owned,
  asked,
  counts: steps.map(({ count }) => count),
});

test('a log without further partitions stands for the store, which the net alone asks', async () => {
  const world = new World();
  const writer = await world.process();
  await writer.advance(4);
  world.requests = 0;
  const pass = async (count: number): Promise<void> => {
    world.time.ms += 20_000;
    await writer.advance(count, world.time.ms);
  };
  for (let i = 0; i < 3; i++) {
    await pass(4);
    expect([world.requests, writer.current(), writer.caughtUp()]).toEqual([0, undefined, undefined]);
  }
  await pass(4);
  await pass(4);
  expect(world.requests).toBeGreaterThan(0);
  world.requests = 0;
  await pass(5);
  expect(world.requests).toBeGreaterThan(0);
  expect(shown(writer)).toEqual({ owned: 5, asked: 4, counts: [4] });
});

test('a later number that others tell of is read at once', async () => {
  const world = new World();
  const [writer, reader] = [await world.process(), await world.process()];
  await writer.advance(4);
  await writer.advance(6);
  reader.shared.onTold(writer.shared.number());
  while (reader.owned < 6) await new Promise(setImmediate);
});

test('partitions are owned, then asked, then written to, a minute apart, and rows of before stay', async () => {
  const world = new World();
  const writer = await world.process();
  await writer.advance(4);
  expect(shown(writer)).toEqual({ owned: 4, asked: 4, counts: [4] });
  expect(await writer.advance(6)).toBe(false);
  expect(shown(writer)).toEqual({ owned: 6, asked: 4, counts: [4] });
  await writer.advance(6);
  await world.pass(59_000, [writer], 6);
  expect(shown(writer)).toEqual({ owned: 6, asked: 4, counts: [4] });
  await world.pass(1_000, [writer], 6);
  expect(shown(writer)).toEqual({ owned: 6, asked: 6, counts: [4] });
  await world.pass(60_000, [writer], 6);
  expect(await writer.advance(6)).toBe(true);
  expect(shown(writer)).toEqual({ owned: 6, asked: 6, counts: [4, 6] });
  // Not before all distributors know it.
  expect(writer.steps[1].fromSeconds).toBe(world.nowSeconds + 60);
  world.time.ms += 3_600_000;
  expect(await writer.advance(6)).toBe(true);
  expect(shown(await world.process(9))).toEqual(shown(writer));
});

test('the store says how many there are, whatever a later process is configured to have', async () => {
  const world = new World();
  const before = await world.process(4);
  expect(before.isFounded).toBe(false);
  await before.advance(4);
  const after = await world.process(8);
  expect(after.isFounded).toBe(true);
  expect(shown(after)).toEqual({ owned: 4, asked: 4, counts: [4] });
});

test('a distributor that has just seen a stage waits for its minute, though another one has waited', async () => {
  const world = new World();
  const first = await world.process();
  await first.advance(4);
  await first.advance(6);
  await world.pass(55_000, [first], 6);
  world.time.ms += 5_000;
  const second = await world.process();
  await second.advance(6);
  expect(shown(second)).toEqual({ owned: 6, asked: 4, counts: [4] });
  await first.advance(6);
  // The second process sees the stage of the first, and continues a minute later.
  await second.advance(6);
  expect(shown(second)).toEqual({ owned: 6, asked: 6, counts: [4] });
});

test('two that write the same stage add it once', async () => {
  const world = new World();
  const [first, second] = [await world.process(), await world.process()];
  await Promise.all([first.advance(4), second.advance(4)]);
  await Promise.all([first.advance(6), second.advance(6)]);
  await world.pass(55_000, [first, second], 6);
  world.time.ms += 5_000;
  await Promise.all([first.advance(6), second.advance(6)]);
  const third = await world.process();
  expect(shown(third)).toEqual({ owned: 6, asked: 6, counts: [4] });
});

test('more partitions during a change begin a stage of their own', async () => {
  const world = new World();
  const writer = await world.process();
  await writer.advance(4);
  await writer.advance(6);
  await world.pass(55_000, [writer], 6);
  world.time.ms += 5_000;
  await writer.advance(9);
  expect(shown(writer)).toEqual({ owned: 9, asked: 4, counts: [4] });
  await world.pass(59_000, [writer], 9);
  expect(writer.asked).toBe(4);
  await world.pass(1_000, [writer], 9);
  expect(writer.asked).toBe(9);
});

test('a reader that has not read the log for half a minute asks first, and fails where the store does not tell', async () => {
  const world = new World();
  const writer = await world.process();
  await writer.advance(4);
  const reader = await world.process();
  world.time.ms += 30_000;
  expect(reader.current()).toBeUndefined();
  await writer.advance(6);
  await world.pass(60_000, [writer], 6);
  await reader.current();
  expect(reader.asked).toBe(6);
  world.time.ms += 31_000;
  world.isDown = true;
  await expect(reader.current()).rejects.toMatchObject({ code: 'unavailable' });
  // A writer continues: a lost line is worse than a repeated one.
  await reader.caughtUp();
  world.isDown = false;
  await reader.current();
  expect(reader.current()).toBeUndefined();
});

const dayMs = 86_400_000;

test('a process whose clock is behind begins no step before rows that the others have placed', async () => {
  const world = new World();
  const behind = await world.process(4, -dayMs);
  const right = await world.process();
  await behind.advance(4);
  // The one that is behind looks first, and so writes each stage.
  await world.pass(240_000, [behind, right], 6);
  expect(shown(right)).toEqual({ owned: 6, asked: 6, counts: [4, 6] });
  expect(shown(behind)).toEqual(shown(right));
  const { fromSeconds } = right.steps[1];
  expect(fromSeconds).toBeGreaterThan(world.nowSeconds - 240);
  // The time after an outage of the store counts anew: the right clock may not have been stated before.
  await world.pass(5_000, [behind], 8);
  world.time.ms += 600_000;
  await world.pass(10_000, [behind], 8);
  expect(behind.steps).toHaveLength(2);
  await world.pass(240_000, [behind, right], 8);
  expect(behind.steps[2].fromSeconds).toBeGreaterThan(world.nowSeconds - 240);
});

test('a process that was started during a change knows the latest clock as well', async () => {
  const world = new World();
  const right = await world.process();
  await right.advance(4);
  await world.pass(5_000, [right], 6);
  const behind = await world.process(4, -dayMs);
  await world.pass(180_000, [behind], 6);
  expect(behind.steps).toHaveLength(2);
  expect(behind.steps[1].fromSeconds).toBeGreaterThan(world.nowSeconds - 240);
});

test('clocks that differ by seconds take no further manifest', async () => {
  const world = new World();
  const layouts = [await world.process(4, -8_000), await world.process(4, 3_000), await world.process()];
  await layouts[0].advance(4);
  await world.pass(240_000, layouts, 6);
  expect(shown(layouts[2])).toEqual({ owned: 6, asked: 6, counts: [4, 6] });
  // The first number, and three stages.
  expect(layouts[2].shared.number()).toBe(4);
});

test('whatever the clocks are, the same row goes to the same number of partitions whenever it is sent', async () => {
  const countOf = ({ steps }: PartitionLayout, seconds: number) =>
    steps.findLast(({ fromSeconds }) => fromSeconds <= seconds)!.count;
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomOf(seed);
    const world = new World();
    const clocks = [0, ...Array.from({ length: 3 }, () => Math.round((random() - 0.9) * dayMs))];
    const layouts: PartitionLayout[] = [];
    for (const clockMs of clocks) layouts.push(await world.process(4, clockMs));
    const placed = new Map<number, number>();
    for (let i = 0; i < 60; i++) {
      world.time.ms += 5_000;
      const order = [...layouts].sort(() => random() - 0.5);
      for (const layout of order) await layout.advance(i < 5 ? 4 : 6, world.time.ms);
      placed.set(world.nowSeconds, countOf(layouts[0], world.nowSeconds));
    }
    const moved = [...placed].filter(([seconds, count]) =>
      layouts.some((each) => countOf(each, seconds) !== count),
    );
    expect({ seed, moved }).toEqual({ seed, moved: [] });
    expect({ seed, steps: layouts[0].steps.length }).toEqual({ seed, steps: 2 });
  }
});

function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

test('a change calls the listeners', async () => {
  const world = new World();
  const writer = await world.process();
  const heard: number[] = [];
  const stop = writer.onChange(() => heard.push(writer.owned));
  await writer.advance(4);
  await writer.advance(5);
  stop();
  await writer.advance(7);
  expect(heard).toEqual([4, 5]);
});

test('manifests and checkpoints are read back, and those that take a change back are refused', () => {
  const state = new LayoutState(3);
  const steps = [
    { fromSeconds: 0, count: 3 },
    { fromSeconds: 1_700_000_000, count: 7 },
  ];
  const manifest = { number: 1, createdMs: 5, owned: 9, asked: 8, steps };
  const bytes = state.encodeManifest(manifest);
  expect(bytes.toString('hex')).toBe('4c504d310105090802000380e2cfaa060773353a2b');
  expect(state.decodeManifest(bytes, 'k')).toEqual(manifest);
  state.fold(manifest);
  const other = new LayoutState(1);
  other.decodeCheckpoint(state.encodeCheckpoint(), 'k');
  expect([other.number, other.layout]).toEqual([1, { owned: 9, asked: 8, steps }]);
  const next = { ...manifest, number: 2 };
  for (const wrong of [
    { ...next, owned: 8 },
    { ...next, asked: 7 },
    { ...next, steps: [steps[0]] },
    { ...next, steps: [steps[0], { fromSeconds: 1_600_000_000, count: 7 }] },
    { ...next, number: 3 },
  ]) {
    expect(() => state.fold(wrong)).toThrow(/layout/);
  }
  const contradiction = state.encodeManifest({ ...manifest, asked: 10 });
  expect(() => state.decodeManifest(contradiction, 'k')).toThrow('contradict');
});
