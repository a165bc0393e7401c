/**
 * Protects a store from a clock that is days ahead, at the start or from some moment on: retention would take
 * nearly everything for expired.
 */
import { loadHash } from '@loki/model';
import { epochNs, TestWorld } from './test/world.ts';

const hourMs = 3_600_000;
const day = 24 * hourMs;
beforeAll(() => loadHash());

/** A store that got a row each hour for `ms`: whole days. */
async function storeOf(ms: number): Promise<TestWorld> {
  const world = new TestWorld(1);
  for (let sinceMs = 0; sinceMs < ms; sinceMs += day) await append(world, sinceMs);
  return world;
}

/** A row each hour of the day from `sinceMs` on, flushed. */
async function append(world: TestWorld, sinceMs: number): Promise<void> {
  const rows = Array.from({ length: 24 }, (_, hour) => ({
    tenant: 'a',
    stream: 0,
    ts: epochNs + BigInt(sinceMs + hour * hourMs) * 1_000_000n,
    line: `line ${sinceMs / hourMs + hour}`,
  }));
  world.append(rows);
  await world.flush(0);
}

/**
 * A store with two days of rows, now kept for seven, met by a compactor that believes it to be `aheadMs`
 * later.
 */
async function meet(aheadMs: number, retentionShareMax = 0.5, store?: TestWorld) {
  const world = store ?? (await storeOf(2 * day));
  world.limits = { ...world.limits, retentionPeriodMs: 7 * day };
  const { compactor, process } = world.compactor({ removesRows: true, retentionShareMax });
  process.clock.offsetMs = 2 * day + aheadMs;
  const round = () => world.do(compactor.runOnce());
  await round();
  return { world, process, round };
}

const storedKeys = (world: TestWorld) => [...world.keys('segments/'), ...world.keys('compacted/')];
const isTold = ({ errors }: TestWorld) => errors.some((text) => text.startsWith('retention is withheld'));
const expiredRounds = async (world: TestWorld, round: () => Promise<void>) => {
  for (let i = 0; i < 6; i++) {
    await world.pass(5 * hourMs);
    await round();
  }
};

test('ten days ahead: nothing is removed, and the log says how to go on', async () => {
  const { world, round } = await meet(10 * day);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(true);
  expect(world.errors[0]).toContain('-compactor.retention-max-share=1');
  expect(storedKeys(world)).not.toEqual([]);
});

test('ten days ahead, and senders with the same wrong clock: nothing is removed', async () => {
  const { world, round } = await meet(10 * day);
  await append(world, 12 * day);
  world.errors.length = 0;
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(true);
  const lines = storedKeys(world).flatMap((key) => world.linesOf(key));
  expect(lines).toEqual(expect.arrayContaining(['line 0', 'line 47', 'line 288']));
});

test('a period that was made shorter is not asked about, also by a process that starts', async () => {
  const world = await storeOf(20 * day);
  const { round } = await meet(18 * day, 0.5, world);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(false);
  const lines = storedKeys(world).flatMap((key) => world.linesOf(key));
  expect(lines).toContain(`line ${20 * 24 - 1}`);
  expect(lines).not.toContain('line 0');
});

test('ten days ahead with a share of 1: it goes on', async () => {
  const { world, round } = await meet(10 * day, 1);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(false);
  expect(storedKeys(world)).toEqual([]);
});

test('a clock that jumps ahead while the process runs is asked, and goes on when it is set back', async () => {
  const { world, process, round } = await meet(0);
  process.clock.offsetMs += 10 * day;
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(true);
  expect(storedKeys(world)).not.toEqual([]);
  process.clock.offsetMs -= 10 * day;
  world.errors.length = 0;
  await world.pass(10 * day);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(false);
  expect(storedKeys(world)).toEqual([]);
});

test('a right clock is not asked, however much expires later', async () => {
  const { world, round } = await meet(0);
  await world.pass(10 * day);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(false);
  expect(storedKeys(world)).toEqual([]);
});
