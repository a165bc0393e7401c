import fc from 'fast-check';
import { decodeInstances, encodeInstances } from './instance.ts';
import { ringHtml, ringJson } from './ring-page.ts';
import { Ring } from './ring.ts';
import type { ObservedInstance } from './ring.ts';
import { shuffleShard } from './shuffle-shard.ts';
import { observedOf } from './test/instance.ts';
import { partitionToken, tokenOf, tokensOf } from './tokens.ts';

const ids = (owners: readonly ObservedInstance[]): string[] => owners.map((owner) => owner.id);

/** Members with few tokens, so that walks are short and ties and wraps happen. */
const arbitraryMembers = fc
  .uniqueArray(
    fc.record({
      id: fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom('a', 'b', 'c', 'd', 'e') }),
      zone: fc.constantFrom('', 'z1', 'z2', 'z3'),
      tokens: fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 6 }),
    }),
    { selector: (member) => member.id, minLength: 1, maxLength: 9 },
  )
  .map((members) =>
    members.map(({ id, zone, tokens }) => observedOf(id, { zone, tokens: tokens.sort((a, b) => a - b) })),
  );

/** `owners`, computed in the simplest way: by walking every token. */
function plainOwners(members: readonly ObservedInstance[], token: number, count: number): string[] {
  const points = members
    .flatMap((member) => member.tokens.map((each) => ({ each, member })))
    .sort((a, b) => a.each - b.each || (a.member.id < b.member.id ? -1 : 1));
  const walk = [...points.filter(({ each }) => each >= token), ...points.filter(({ each }) => each < token)];
  const order = [...new Set(walk.map(({ member }) => member))];
  const zones = new Set<string>();
  const first = order.filter(({ zone }) => {
    if (zone !== '' && zones.has(zone)) return false;
    zones.add(zone);
    return true;
  });
  const spare = order.filter((member) => !first.includes(member));
  return [...first, ...spare].slice(0, count).map((member) => member.id);
}

describe('owners', () => {
  test('are those that a plain walk finds', () => {
    fc.assert(
      fc.property(arbitraryMembers, fc.nat(45), fc.integer({ min: 1, max: 5 }), (members, token, count) => {
        expect(ids(new Ring(members).owners(token, count))).toEqual(plainOwners(members, token, count));
      }),
      { numRuns: 500 },
    );
  });

  test('stand in distinct zones while there are enough, and are as many as asked for while there are members', () => {
    fc.assert(
      fc.property(arbitraryMembers, fc.nat(45), fc.integer({ min: 1, max: 5 }), (members, token, count) => {
        const owners = new Ring(members).owners(token, count);
        expect(owners).toHaveLength(Math.min(count, members.length));
        expect(new Set(ids(owners)).size).toBe(owners.length);
        const zoneOf = ({ id, zone }: ObservedInstance): string => (zone === '' ? `of ${id}` : zone);
        const allZones = new Set(members.map(zoneOf));
        expect(new Set(owners.map(zoneOf)).size).toBe(Math.min(owners.length, allZones.size));
      }),
    );
  });

  test('when one member goes, it is replaced by one and nobody else moves; when it comes back all is as before', () => {
    fc.assert(
      fc.property(
        arbitraryMembers,
        fc.nat(45),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        (members, token, count, pick) => {
          const gone = members[pick % members.length];
          const before = ids(new Ring(members).owners(token, count));
          const after = ids(new Ring(members.filter((member) => member !== gone)).owners(token, count));
          expect(after.filter((id) => !before.includes(id)).length).toBeLessThanOrEqual(1);
          expect(before.filter((id) => !after.includes(id) && id !== gone.id)).toEqual([]);
          if (!before.includes(gone.id)) expect(after).toEqual(before);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('are only members that are active, healthy and not read-only', () => {
    const ring = new Ring([
      observedOf('a'),
      observedOf('b', { state: 'LEAVING' }),
      observedOf('c', { state: 'JOINING' }),
      observedOf('d', { isHealthy: false }),
      observedOf('e', { readOnly: true }),
      observedOf('f', { state: 'PENDING' }),
    ]);
    for (let p = 0; p < 50; p++) expect(ids(ring.owners(partitionToken(p), 3))).toEqual(['a']);
    expect(ids(Ring.empty.owners(5, 3))).toEqual([]);
    expect(ring.instances).toHaveLength(6);
  });

  test.each([3, 6, 10, 30])('load of %i members is within 35 percent of even', (count) => {
    const ring = new Ring(Array.from({ length: count }, (_, i) => observedOf(`ingester-${i}`)));
    const shares = [...ring.shares().values()];
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    for (const share of shares) {
      expect(share * count).toBeGreaterThan(0.65);
      expect(share * count).toBeLessThan(1.35);
    }
    const led = new Map<string, number>();
    for (let p = 0; p < 5_000; p++) {
      const [{ id }] = ring.owners(partitionToken(p), 1);
      led.set(id, (led.get(id) ?? 0) + 1);
    }
    for (const [id, times] of led) expect(times / 5_000).toBeCloseTo(ring.shares().get(id)!, 1);
  });

  test('a new member takes its share and no more', () => {
    const members = Array.from({ length: 9 }, (_, i) => observedOf(`ingester-${i}`, { zone: `z${i % 3}` }));
    const before = new Ring(members);
    const after = new Ring([...members, observedOf('ingester-9', { zone: 'z0' })]);
    let moved = 0;
    const partitions = 5000;
    for (let p = 0; p < partitions; p++) {
      const token = partitionToken(p);
      if (before.owners(token, 1)[0].id !== after.owners(token, 1)[0].id) moved++;
    }
    expect(moved / partitions).toBeLessThan(0.15);
    expect(moved / partitions).toBeGreaterThan(0.05);
  });

  test('partitions next to each other in number are not next to each other on the ring', () => {
    const tokens = Array.from({ length: 64 }, (_, p) => partitionToken(p)).sort((a, b) => a - b);
    const gaps = tokens.map((token, i) => (i === 0 ? token + 2 ** 32 - tokens[63] : token - tokens[i - 1]));
    expect(Math.max(...gaps)).toBeLessThan(2 ** 32 / 8);
  });
});

describe('shuffle shards', () => {
  const partitions = Array.from({ length: 64 }, (_, i) => i);

  test('a shard keeps its members when others come, go, or the size changes', () => {
    for (let t = 0; t < 100; t++) {
      const tenant = `tenant-${t}`;
      const shard = shuffleShard(partitions, tenant, 8);
      expect(shard).toHaveLength(8);
      expect(shuffleShard(partitions, tenant, 9).filter((p) => !shard.includes(p))).toHaveLength(1);
      const grown = shuffleShard([...partitions, 64], tenant, 8);
      expect(grown.filter((p) => !shard.includes(p)).every((p) => p === 64)).toBe(true);
      const without = shuffleShard(
        partitions.filter((p) => p !== shard[3]),
        tenant,
        8,
      );
      expect(without.filter((p) => !shard.includes(p))).toHaveLength(1);
    }
    expect(shuffleShard(partitions, 'x', 0)).toBe(partitions);
    expect(shuffleShard(partitions, 'x', 100)).toBe(partitions);
  });

  test('tenants are spread evenly, and few share all their members', () => {
    const times = new Map<number, number>();
    const shards = new Set<string>();
    for (let t = 0; t < 4000; t++) {
      const shard = shuffleShard(partitions, `tenant-${t}`, 4);
      shards.add(shard.join());
      for (const p of shard) times.set(p, (times.get(p) ?? 0) + 1);
    }
    expect(shards.size).toBeGreaterThan(3950);
    for (const count of times.values()) expect(Math.abs(count - 250)).toBeLessThan(80);
  });
});

describe('what the store and people see', () => {
  test('members survive being written, and anything else is not believed', () => {
    const { isHealthy, ...plain } = observedOf('a', { zone: 'z' });
    expect(isHealthy).toBe(true);
    expect([...decodeInstances(encodeInstances([plain]))!.values()]).toEqual([plain]);
    expect(decodeInstances(undefined)!.size).toBe(0);
    for (const value of [
      '',
      'x',
      '{}',
      '[]',
      '{"version":2,"instances":[]}',
      '{"version":1,"instances":[{}]}',
      'null',
    ]) {
      expect(decodeInstances(value)).toBeUndefined();
    }
    const bad: object[] = [
      { tokens: [-1] },
      { tokens: [1.5] },
      { tokens: 'x' },
      { state: 'DEAD' },
      { beat: 'x' },
      { id: 4 },
    ];
    for (const change of bad) {
      expect(
        decodeInstances(JSON.stringify({ version: 1, instances: [{ ...plain, ...change }] })),
      ).toBeUndefined();
    }
    fc.assert(fc.property(fc.json(), (value) => void decodeInstances(value)));
  });

  test("the ring as JSON has the fields that Loki's has", () => {
    const ring = new Ring([
      observedOf('a', { zone: 'z', tokens: [1, 2] }),
      observedOf('b', { isHealthy: false }),
    ]);
    const { shards, now } = JSON.parse(ringJson(ring, 0)) as {
      shards: Record<string, unknown>[];
      now: string;
    };
    expect(now).toBe('1970-01-01T00:00:00.000Z');
    expect(shards[0]).toEqual({
      id: 'a',
      state: 'ACTIVE',
      address: 'a:9095',
      timestamp: '1970-01-01T00:00:01.000Z',
      registered_timestamp: '1970-01-01T00:00:00.500Z',
      read_only: false,
      read_only_updated_timestamp: '0001-01-01T00:00:00Z',
      zone: 'z',
      tokens: [1, 2],
    });
    expect(shards[1]['state']).toBe('UNHEALTHY');
  });

  test('a member cannot put markup into the page', () => {
    const html = ringHtml(new Ring([observedOf('<script>alert("1")</script>', { tokens: [1] })]), {
      title: 'Ring <1>',
      nowMs: 0,
    });
    expect(html).not.toContain('<script');
    expect(html).toContain('&#60;script&#62;');
  });

  test('tokens are a function of the id, all different', () => {
    expect(tokensOf('a')).toEqual(tokensOf('a'));
    expect(new Set(tokensOf('a')).size).toBe(128);
    expect(tokensOf('a').filter((token) => tokensOf('b').includes(token))).toEqual([]);
    expect(tokenOf('x')).toBeGreaterThanOrEqual(0);
  });
});
