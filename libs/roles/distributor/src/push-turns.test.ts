/**
 * Protects the thread that serves requests from pushes, tenants from each other, and clients from waiting in
 * vain.
 */
import { parseTenantId } from '@loki/model';
import { NodeTimers } from '@loki/runtime';
import { ManualTime } from '@loki/test-tools';
import { PushTurns } from './push-turns.ts';
import type { PushNeeds } from './push-turns.ts';
import { StoppedClock } from './test/distributor.ts';

const nothing: PushNeeds = { isLarge: false, take: () => true };
const [noisy, quiet] = ['noisy', 'quiet'].map(parseTenantId);

function testTurns(deps: { room?: () => Promise<void> | undefined; waitMsMax?: number } = {}) {
  const clock = new StoppedClock(0);
  const timers = new NodeTimers();
  const turns = new PushTurns({ clock, timers, waitMsMax: 1_000, ...deps });
  const log: string[] = [];
  const push = (name: string, tenant = noisy, ms = 6, needs = nothing): Promise<void> =>
    turns.run(tenant, needs, async () => {
      clock.ms += ms;
      log.push(name);
    });
  return { clock, timers, turns, log, push };
}

test('pushes share a turn until it is long; others have the thread before the next', async () => {
  const { timers, log, push } = testTurns();
  const pushes = ['a', 'b', 'c', 'd', 'e'].map((name) => push(name));
  expect(log).toEqual(['a', 'b']);
  await timers.sleep(0);
  await pushes[2];
  expect(log).toEqual(['a', 'b', 'c', 'd']);
  await Promise.all(pushes);
  expect(log).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a turn that is over counts no more', async () => {
  const { timers, log, push } = testTurns();
  await push('a', noisy, 50);
  await timers.sleep(5);
  void push('b');
  expect(log).toEqual(['a', 'b']);
});

test('the push of a quiet tenant comes before the flood of another', async () => {
  const { log, push } = testTurns();
  const pushes = Array.from({ length: 9 }, (_, i) => push(`n${i}`, noisy, 12));
  await pushes[1];
  await push('q', quiet);
  expect(log.slice(0, 3)).toEqual(['n0', 'n1', 'q']);
  await Promise.all(pushes);
});

test('the push of a quiet tenant does not wait for a turn; more of them share the thread', async () => {
  const { log, push } = testTurns();
  const pushes = Array.from({ length: 4 }, (_, i) => push(`n${i}`, noisy, 12));
  expect(log).toEqual(['n0']);
  pushes.push(push('q0', quiet), push('q1', quiet), push('q2', quiet));
  expect(log).toEqual(['n0', 'q0']);
  await Promise.all(pushes);
  expect(log.indexOf('n1')).toBeLessThan(log.indexOf('q2'));
});

test('tenants with dear and with cheap pushes have the thread for as long', async () => {
  const { log, push } = testTurns();
  const dear = Array.from({ length: 6 }, (_, i) => push(`n${i}`, noisy, 20));
  const cheap = Array.from({ length: 30 }, (_, i) => push(`q${i}`, quiet, 2));
  await Promise.all([...dear, ...cheap]);
  const whenDearEnd = log.slice(0, log.indexOf('n3'));
  expect(whenDearEnd.filter((name) => name.startsWith('q')).length).toBeGreaterThanOrEqual(20);
});

test('a push that has waited too long is refused unread, and one that came later is not', async () => {
  const { clock, log, push } = testTurns();
  void push('a', noisy, 20);
  const early = push('early');
  clock.ms += 600;
  const late = push('late');
  clock.ms += 600;
  await expect(early).rejects.toMatchObject({ code: 'overloaded', status: 503 });
  await late;
  expect(log).toEqual(['a', 'late']);
});

test('a push behind a head that takes nothing is refused in time; others go on', async () => {
  const held = new Promise<void>(() => {});
  const clock = { nowMs: () => performance.now(), nowNs: () => 0n, monotonicMs: () => performance.now() };
  const turns = new PushTurns({
    clock,
    timers: new NodeTimers(),
    waitMsMax: 20,
    room: (tenant) => (tenant === noisy ? held : undefined),
  });
  const waiting = turns.run(noisy, nothing, async () => 'noisy');
  await expect(turns.run(quiet, nothing, async () => 'quiet')).resolves.toBe('quiet');
  await expect(waiting).rejects.toMatchObject({ code: 'overloaded' });
});

test('pushes that waited for room go on in their order when there is some', async () => {
  const freed = Promise.withResolvers<void>();
  let room: Promise<void> | undefined = freed.promise;
  const { log, push } = testTurns({ room: () => room });
  const pushes = [push('a'), push('b')];
  expect(log).toEqual([]);
  room = undefined;
  freed.resolve();
  await Promise.all(pushes);
  expect(log).toEqual(['a', 'b']);
});

/** A resource with a fixed number of units: memory or threads. */
function supply(count: number) {
  const stock = { count };
  const needs = (isLarge: boolean, size = 1): PushNeeds => ({
    isLarge,
    take() {
      if (stock.count < size) return false;
      stock.count -= size;
      return true;
    },
  });
  return { stock, needs };
}

test('a push that does not find what it needs waits until it is given back; smaller ones pass it', async () => {
  const { timers, turns, log, push } = testTurns();
  const { stock, needs } = supply(2);
  const first = push('a', noisy, 1, needs(false, 2));
  const second = push('b', noisy, 1, needs(false, 2));
  const third = push('c', noisy, 1, needs(false, 1));
  const other = push('q', quiet, 1);
  await Promise.all([first, other]);
  await timers.sleep(20);
  expect(log).toEqual(['a', 'q']);
  stock.count = 3;
  turns.retry();
  await Promise.all([second, third]);
  expect(log).toEqual(['a', 'q', 'b', 'c']);
});

test('large pushes of one tenant hold up neither its small ones nor those of others, large or not', async () => {
  const { timers, turns, log, push } = testTurns();
  const { stock, needs } = supply(1);
  const noisyOnes = ['A', 'B', 'C', 'D'].map((name) => push(name, noisy, 1, needs(true)));
  const small = [push('a', noisy, 1), push('q', quiet, 1)];
  const large = push('Q', quiet, 1, needs(true));
  await Promise.all(small);
  expect(log.slice().sort()).toEqual(['A', 'a', 'q']);
  for (let i = 0; i < 4; i++) {
    stock.count = 1;
    turns.retry();
    await timers.sleep(20);
  }
  await Promise.all([...noisyOnes, large]);
  expect(log.indexOf('Q')).toBe(3);
});

test('a push that never finds what it needs is refused, and those behind it are served', async () => {
  const time = new ManualTime();
  const turns = new PushTurns({ clock: time, timers: time, waitMsMax: 20 });
  const { stock, needs } = supply(1);
  const large = turns.run(noisy, needs(false, 2), async () => 'large');
  const refused = expect(large).rejects.toMatchObject({ code: 'overloaded' });
  time.pass(15);
  const behind = turns.run(noisy, needs(false, 1), async () => 'behind');
  time.pass(5);
  await refused;
  await expect(behind).resolves.toBe('behind');
  expect(stock.count).toBe(0);
});
