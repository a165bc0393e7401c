/** Protects: records of a tenant enter in order, and tenants do not wait for each other. */
import { TenantLanes } from './tenant-lanes.ts';

function setup() {
  const clock = { ms: 0, nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => clock.ms };
  let underWay = 0;
  const lanes = new TenantLanes(clock, (difference) => (underWay += difference));
  const log: string[] = [];
  /** A work that ends on command. */
  const work = (name: string, ...tenants: string[]) => {
    const end = Promise.withResolvers<void>();
    lanes.run(tenants, 10, () => {
      log.push(name);
      return end.promise;
    });
    return end;
  };
  return { clock, lanes, log, work, underWay: () => underWay };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

test('works of a tenant go one after the other, those of others beside them', async () => {
  const { log, work } = setup();
  const first = work('a1', 'a');
  work('a2', 'a');
  work('b1', 'b');
  const both = work('ab', 'a', 'b');
  await settle();
  expect(log).toEqual(['a1', 'b1']);
  first.resolve();
  await settle();
  expect(log).toEqual(['a1', 'b1', 'a2']);
  both.resolve();
});

test('a lane is busy from its first work until it has none', async () => {
  const { clock, lanes, work } = setup();
  expect(lanes.busyMs(['a', 'b'])).toBeUndefined();
  const first = work('a1', 'a');
  clock.ms = 5;
  const second = work('a2', 'a');
  work('b', 'b');
  first.resolve();
  await settle();
  clock.ms = 8;
  expect(lanes.busyMs(['a'])).toBe(8);
  expect(lanes.busyMs(['b', 'c'])).toBe(3);
  second.resolve();
  await lanes.idle(['a']);
  expect(lanes.busyMs(['a'])).toBeUndefined();
});

test('running work is bounded', async () => {
  const { lanes, work } = setup();
  const works = ['a', 'b', 'c'].map((tenant) => work(tenant, tenant));
  let hasRoom = false;
  void lanes.room({ bytes: 25, works: 9 }).then(() => {
    hasRoom = true;
  });
  await settle();
  expect(hasRoom).toBe(false);
  works[1].resolve();
  await settle();
  expect(hasRoom).toBe(true);
});

test('after a work that failed none is begun, and whoever waits for room hears of it', async () => {
  const { lanes, log, work, underWay } = setup();
  const first = work('a1', 'a');
  work('a2', 'a');
  expect(underWay()).toBe(20);
  first.reject(new Error('it broke'));
  await expect(lanes.failure).rejects.toThrow('it broke');
  await lanes.idle();
  expect(log).toEqual(['a1']);
  // Works that never begin give back what they hold, too.
  expect(underWay()).toBe(0);
  await expect(lanes.room({ bytes: 1, works: 1 })).rejects.toThrow('it broke');
});
