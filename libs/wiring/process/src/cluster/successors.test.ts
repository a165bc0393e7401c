// Protects queries while partitions change hands: no owner lets go before its successor answers.
import { LokiError } from '@loki/model';
import type { IngesterService } from '@loki/ports';
import { Ring, partitionOwners } from '@loki/ring';
import type { ObservedInstance, RingView } from '@loki/ring';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { observedMember } from '../test/observed-member.ts';
import { Successors } from './successors.ts';

function world(members: readonly ObservedInstance[]) {
  const scheduler = new VirtualScheduler(1);
  const { clock, timers } = new VirtualProcess(scheduler, 'a');
  const ingesters = { ring: new Ring(members) };
  const has = new Map<string, number[] | 'away'>();
  let asked = 0;
  const successors = new Successors({
    ingesters: ingesters as RingView,
    ownId: 'a',
    replicationFactor: 1,
    serviceOf: ({ id }) =>
      ({
        async partitions() {
          asked++;
          const found = has.get(id) ?? [];
          if (found === 'away') throw new LokiError('unavailable', 'away');
          return found;
        },
      }) as Partial<IngesterService> as IngesterService,
    clock,
    timers,
  });
  const take = async (work: Promise<void>) => {
    const beganMs = scheduler.nowMs;
    await scheduler.settle(work, { eventsMax: 100_000 });
    return scheduler.nowMs - beganMs;
  };
  return { ingesters, timers, has, successors, take, asked: () => asked };
}

test('a partition is kept until its next owner has read it, and a moment longer', async () => {
  const { ingesters, timers, has, successors, take } = world([
    observedMember('a', { state: 'LEAVING' }),
    observedMember('b'),
  ]);
  expect(partitionOwners(ingesters.ring, 3, 1)).toEqual(['b']);
  has.set('b', 'away');
  timers.after(3_000, () => void has.set('b', [1]));
  timers.after(5_000, () => void has.set('b', [1, 3]));
  const tookMs = await take(successors.takeOver(3));
  expect(tookMs).toBeGreaterThanOrEqual(7_000);
  expect(tookMs).toBeLessThan(8_000);
});

test('a next owner that cannot read it is waited for no longer than a minute', async () => {
  const { successors, take, has } = world([observedMember('a', { readOnly: true }), observedMember('b')]);
  has.set('b', [1]);
  const tookMs = await take(successors.takeOver(3));
  expect(tookMs).toBeGreaterThan(60_000);
  expect(tookMs).toBeLessThan(64_000);
});

test('many partitions are asked about together; without another member none is waited for', async () => {
  const all = Array.from({ length: 50 }, (_, i) => i);
  const { successors, take, has, asked } = world([
    observedMember('a', { state: 'LEAVING' }),
    observedMember('b'),
  ]);
  has.set('b', all);
  expect(await take(successors.takeOverAll(all))).toBeLessThan(3_000);
  expect(asked()).toBe(1);
  const alone = world([observedMember('a', { state: 'LEAVING' })]);
  expect(await alone.take(alone.successors.takeOverAll(all))).toBe(0);
});

test('with nobody else there a partition is kept for as long as it takes; a process that ends waits no longer', async () => {
  const leaving = observedMember('a', { state: 'LEAVING' });
  const one = world([leaving]);
  one.timers.after(600_000, () => {
    one.ingesters.ring = new Ring([leaving, observedMember('b')]);
    one.has.set('b', [3]);
  });
  expect(await one.take(one.successors.takeOver(3))).toBeGreaterThan(600_000);
  const all = world([leaving, observedMember('b')]);
  all.has.set('b', []);
  all.timers.after(5_000, () => {
    all.ingesters.ring = new Ring([leaving, observedMember('b', { state: 'LEAVING' })]);
  });
  const tookMs = await all.take(all.successors.takeOverAll([1, 3]));
  expect(tookMs).toBeGreaterThanOrEqual(5_000);
  expect(tookMs).toBeLessThan(6_000);
});
