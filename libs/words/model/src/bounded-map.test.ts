import fc from 'fast-check';
import { BoundedMap } from './bounded-map.ts';

// Protects memory and answers: a memo keyed by a client's texts must stay small, and must never answer for
// another key.
test('entries stay below the bound, and what is there is what was set last', () => {
  const key = fc.integer({ min: 0, max: 12 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key, value: fc.integer() }),
    fc.record({ kind: fc.constant('get' as const), key }),
    fc.record({ kind: fc.constant('delete' as const), key }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.array(step, { maxLength: 60 }), (entriesMax, steps) => {
      const map = new BoundedMap<number, number>(entriesMax);
      const all = new Map<number, number>();
      for (const each of steps) {
        if (each.kind === 'set') {
          map.set(each.key, each.value);
          all.set(each.key, each.value);
        } else if (each.kind === 'delete') {
          map.delete(each.key);
          all.delete(each.key);
        } else {
          const value = map.get(each.key);
          if (value !== undefined) expect(value).toBe(all.get(each.key));
          if (!all.has(each.key)) expect(value).toBeUndefined();
        }
        expect(map.size).toBeLessThanOrEqual(entriesMax);
      }
    }),
  );
});

test('entries in use outlive a stream of others', () => {
  const map = new BoundedMap<string, number>(8);
  map.set('used', 1);
  for (let i = 0; i < 100; i++) {
    map.set(`passing ${i}`, i);
    expect(map.get('used')).toBe(1);
  }
  expect(map.get('passing 0')).toBeUndefined();
  expect(map.get('passing 99')).toBe(99);
});

test('entries of unlike sizes are bounded by their weight, and the latest ones are present', () => {
  const map = new BoundedMap<string, string>(100, { weightMax: 20, weightOf: (key) => key.length });
  const keys = [
    'aaa',
    'bbb',
    'ccc',
    'ddd',
    'eee',
    'fff',
    'a long one that is heavier than all',
    'ggg',
    'hhh',
  ];
  for (const key of keys) {
    map.set(key, key);
    expect(map.get(key)).toBe(key);
  }
  // The reads above renew entries.
  expect(map.size).toBeLessThanOrEqual(6);
  expect(map.get('aaa')).toBeUndefined();
});
