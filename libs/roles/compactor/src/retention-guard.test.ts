/**
 * Protects a store from a clock that is days ahead, at the start or from some moment on: retention would take
 * nearly everything for expired.
 */
import { loadHash } from '@loki/model';
import { epochNs, TestWorld } from './test/world.ts';

const hourMs = 3_600_000;
const day = 24 * hourMs;
beforeAll(() => loadHash());

/**
 * A store with two days of rows, kept for seven, met by a compactor that believes it to be `aheadMs` later.
 */
async function meet(aheadMs: number, retentionShareMax = 0.5) {
  const world = new TestWorld(1);
  const rows = Array.from({ length: 48 }, (_, hour) => ({
    tenant: 'a',
    stream: 0,
    ts: epochNs + BigInt(hour) * BigInt(hourMs) * 1_000_000n,
    line: `line ${hour}`,
  }));
  world.append(rows);
  await world.flush(0);
  world.limits = { ...world.limits, retentionPeriodMs: 7 * day };
  const { compactor, process } = world.compactor({ removesRows: true, retentionShareMax });
  process.clock.offsetMs = 2 * day + aheadMs;
  const round = () => world.do(compactor.runOnce());
  await round();
  return { world, process, round };
}

const stored = (world: TestWorld) => [...world.keys('segments/'), ...world.keys('compacted/')];
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
  expect(stored(world)).not.toEqual([]);
});

test('ten days ahead with a share of 1: it goes on', async () => {
  const { world, round } = await meet(10 * day, 1);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(false);
  expect(stored(world)).toEqual([]);
});

test('a clock that jumps ahead while the process runs is asked, and goes on when it is set back', async () => {
  const { world, process, round } = await meet(0);
  process.clock.offsetMs += 10 * day;
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(true);
  expect(stored(world)).not.toEqual([]);
  process.clock.offsetMs -= 10 * day;
  world.errors.length = 0;
  await world.pass(10 * day);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(false);
  expect(stored(world)).toEqual([]);
});

test('a right clock is not asked, however much expires later', async () => {
  const { world, round } = await meet(0);
  await world.pass(10 * day);
  await expiredRounds(world, round);
  expect(isTold(world)).toBe(false);
  expect(stored(world)).toEqual([]);
});
