import fc from 'fast-check';
import { Ring } from './ring.ts';
import type { ObservedInstance } from './ring.ts';
import { observedOf } from './test/instance.ts';
import { WorkShare, workOwner } from './work.ts';
import type { WorkShard } from './work.ts';

// Protects: in every ring each piece of work belongs to one member, and changes of the ring move little of
// it.

const viewOf = (ring: Ring) => ({ ring, onChange: () => () => {} });

/** Members in any state, with tokens of any number, equal ones among them. */
const arbitraryMembers = fc
  .uniqueArray(
    fc.record({
      id: fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom('a', 'b', 'c', 'd') }),
      zone: fc.constantFrom('', 'z1', 'z2'),
      state: fc.constantFrom('PENDING', 'JOINING', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'LEAVING'),
      isHealthy: fc.constantFrom(true, true, true, false),
      tokens: fc.uniqueArray(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 5 }),
    }),
    { selector: (member) => member.id, maxLength: 9 },
  )
  .map((members) =>
    members.map(({ id, tokens, ...more }) =>
      observedOf(id, { ...more, tokens: tokens.sort((a, b) => a - b) } as Partial<ObservedInstance>),
    ),
  );

const arbitraryDay = fc.tuple(
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.integer({ min: -9, max: 30_000 }),
);

const arbitraryShard = fc.option(
  fc.record({ key: fc.string({ maxLength: 3 }), size: fc.integer({ min: 0, max: 4 }) }),
  { nil: undefined },
) as fc.Arbitrary<WorkShard | undefined>;

const keyOf = ([tenant, day]: readonly [string, number]) => `${tenant}/${day}`;

test('each (tenant, day) is exactly one member’s, in any ring that has somebody to do it', () => {
  fc.assert(
    fc.property(arbitraryMembers, arbitraryDay, arbitraryShard, (members, day, shard) => {
      const ring = new Ring(members);
      const key = keyOf(day);
      const owning = members.filter(({ id }) => new WorkShare(viewOf(ring), id).owns(key, shard));
      if (ring.eligible.length === 0) {
        // No member knows of another: each believes to be alone.
        expect(owning).toEqual(members);
        return;
      }
      expect(owning).toHaveLength(1);
      expect(ring.eligible).toContainEqual(owning[0]);
      expect(workOwner(ring, key, shard)).toBe(owning[0].id);
    }),
    { numRuns: 500 },
  );
});

test('a member that comes only takes, one that goes only gives', () => {
  fc.assert(
    fc.property(
      arbitraryMembers,
      fc.array(arbitraryDay, { minLength: 1, maxLength: 20 }),
      (members, days) => {
        const newcomer = observedOf('newcomer');
        const before = new Ring(members);
        const after = new Ring([...members, newcomer]);
        for (const day of days) {
          const [old, now] = [workOwner(before, keyOf(day)), workOwner(after, keyOf(day))];
          if (old !== now) expect(now).toBe('newcomer');
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('within a shard, too, a newcomer pushes out one member at most, whose work the others take', () => {
  fc.assert(
    fc.property(
      arbitraryMembers,
      fc.array(arbitraryDay, { minLength: 1, maxLength: 20 }),
      (members, days) => {
        const shard = { key: 'tenant', size: 2 };
        const before = new Ring(members);
        const after = new Ring([...members, observedOf('newcomer')]);
        const pushedOut = new Set<string | undefined>();
        for (const day of days) {
          const [old, now] = [workOwner(before, keyOf(day), shard), workOwner(after, keyOf(day), shard)];
          if (old !== now && now !== 'newcomer') pushedOut.add(old);
        }
        expect(pushedOut.size).toBeLessThanOrEqual(1);
        for (const day of days) expect(pushedOut).not.toContain(workOwner(after, keyOf(day), shard));
      },
    ),
    { numRuns: 150 },
  );
});

test('members get about equal shares of a year of forty tenants', () => {
  for (const count of [2, 3, 5]) {
    const members = Array.from({ length: count }, (_, i) => observedOf(`compactor-${i}`));
    const ring = new Ring(members);
    const counts = new Map<string, number>();
    for (let tenant = 0; tenant < 40; tenant++) {
      for (let day = 20_000; day < 20_365; day++) {
        const owner = workOwner(ring, `tenant-${tenant}/${day}`)!;
        counts.set(owner, (counts.get(owner) ?? 0) + 1);
      }
    }
    const fair = 14_600 / count;
    for (const { id } of members) {
      expect(counts.get(id)! / fair).toBeGreaterThan(0.6);
      expect(counts.get(id)! / fair).toBeLessThan(1.4);
    }
  }
});

test('a shard uses as many members as it says', () => {
  const ring = new Ring(Array.from({ length: 8 }, (_, i) => observedOf(`ruler-${i}`)));
  for (const size of [1, 2, 3]) {
    const owners = new Set<string | undefined>();
    for (let i = 0; i < 200; i++) owners.add(workOwner(ring, `group ${i}`, { key: 'tenant', size }));
    expect(owners.size).toBe(size);
  }
});

test('listeners hear of changes, and not of the ring that was there', () => {
  const listeners: (() => void)[] = [];
  const share = new WorkShare(
    {
      ring: Ring.empty,
      onChange: (listener) => {
        const call = () => listener(Ring.empty);
        listeners.push(call);
        call();
        return () => void listeners.splice(listeners.indexOf(call), 1);
      },
    },
    'me',
  );
  let changes = 0;
  const stop = share.onChange(() => changes++);
  expect(changes).toBe(0);
  for (const listener of listeners) listener();
  expect(changes).toBe(1);
  stop();
  expect(listeners).toHaveLength(0);
});
