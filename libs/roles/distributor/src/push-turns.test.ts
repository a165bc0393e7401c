/**
 * Protects the thread that serves requests from pushes, tenants from each other, and clients from waiting in
 * vain.
 */
import { parseTenantId } from '@loki/model';
import { NodeTimers } from '@loki/runtime';
import { PushTurns } from './push-turns.ts';
import { StoppedClock } from './test/distributor.ts';

const [noisy, quiet] = ['noisy', 'quiet'].map(parseTenantId);

function testTurns(deps: { room?: () => Promise<void> | undefined; waitMsMax?: number } = {}) {
  const clock = new StoppedClock(0);
  const timers = new NodeTimers();
  const turns = new PushTurns({ clock, timers, waitMsMax: 1_000, ...deps });
  const log: string[] = [];
  const push = (name: string, tenant = noisy, ms = 6): Promise<void> =>
    turns.run(tenant, async () => {
      clock.ms += ms;
      log.push(name);
    });
  return { clock, timers, log, push };
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
  const waiting = turns.run(noisy, async () => 'noisy');
  await expect(turns.run(quiet, async () => 'quiet')).resolves.toBe('quiet');
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
