/**
 * Protects rolling upgrades: processes of this version and of the one before see each other in every ring.
 */
import { agree, formerValueOf } from './former-value.ts';
import { decodeInstance, decodeInstances, encodeInstance, encodeInstances } from './instance.ts';
import type { RingInstance } from './instance.ts';
import { instanceOf } from './test/instance.ts';

function member(id: string, more: Partial<RingInstance> = {}): RingInstance {
  return instanceOf(id, { zone: 'z', incarnation: `of ${id}`, heartbeatMs: 1, registeredMs: 1, ...more });
}

/** Both forms of a ring, as Redis holds them. */
class Both {
  entries = new Map<string, string>();
  value: string | undefined;
  #conflicts: ReadonlyMap<string, string> = new Map();

  /** A member of this version writes its entry. */
  put(instance: RingInstance): this {
    this.entries.set(instance.id, encodeInstance(instance));
    return this;
  }

  /** A process of the former version reads the value, and writes it with a change of its own. */
  former(change: (instances: Map<string, RingInstance>) => void): this {
    const instances = decodeInstances(this.value)!;
    change(instances);
    this.value = encodeInstances(instances.values());
    return this;
  }

  agree(forgotten?: string): this {
    const { changes, value, conflicts } = agree(this.entries, this.value, this.#conflicts, forgotten);
    for (const { id, before, after } of changes) {
      expect(this.entries.get(id)).toBe(before);
      if (after === undefined) this.entries.delete(id);
      else this.entries.set(id, after);
    }
    this.value = value;
    this.#conflicts = conflicts;
    return this;
  }

  seen(): { now: string[]; before: string[] } {
    const text = ({ id, state, incarnation, beat }: RingInstance) => `${id} ${state} ${incarnation} ${beat}`;
    return {
      now: [...this.entries].map(([id, entry]) => text(decodeInstance(id, entry)!)).sort(),
      before: [...decodeInstances(this.value)!.values()].map(text).sort(),
    };
  }

  /** Both versions see these. */
  expectSeen(...members: string[]): void {
    expect(this.seen()).toEqual({ now: members, before: members });
  }
}

test('an entry is less than an eighth of a member in the former form, and reads as the same', () => {
  const entry = encodeInstance(member('ingester-0'));
  expect(decodeInstance('ingester-0', entry)).toEqual(member('ingester-0'));
  expect(entry.length * 8).toBeLessThan(encodeInstances([member('ingester-0')]).length);
  const odd = member('a', { tokens: [1, 2, 3] });
  expect(decodeInstance('a', encodeInstance(odd))).toEqual(odd);
});

test('members of both versions are seen by both, change by change', () => {
  const ring = new Both().put(member('new'));
  ring.former((instances) => instances.set('old', member('old'))).agree();
  ring.expectSeen('new ACTIVE of new 1', 'old ACTIVE of old 1');
  ring.put(member('new', { beat: 2, state: 'LEAVING' }));
  ring.former((instances) => instances.set('old', member('old', { beat: 5 }))).agree();
  ring.expectSeen('new LEAVING of new 2', 'old ACTIVE of old 5');
  ring.entries.delete('new');
  ring.former((instances) => instances.delete('old')).agree();
  ring.expectSeen();
});

test('the value made from entries alone is the one that was agreed on', () => {
  const ring = new Both().put(member('new'));
  ring.former((instances) => instances.set('old', member('old'))).agree();
  expect(decodeInstances(formerValueOf(ring.entries))).toEqual(decodeInstances(ring.value));
  expect(decodeInstances(ring.value)!.get('old')).toEqual(member('old'));
});

test('a process that is replaced by one of this version under its id, and did not take leave', () => {
  const ring = new Both();
  ring.former((instances) => instances.set('a', member('a', { incarnation: 'old', beat: 900 }))).agree();
  ring.put(member('a', { incarnation: 'new', beat: 1 })).agree();
  ring.put(member('a', { incarnation: 'new', beat: 2 })).agree();
  ring.expectSeen('a ACTIVE new 2');
});

test('a process that is replaced by one of the former version under its id, and did not take leave', () => {
  const ring = new Both().put(member('a', { incarnation: 'new', beat: 900 })).agree();
  for (const beat of [1, 2, 3]) {
    ring.former((instances) => instances.set('a', member('a', { incarnation: 'old', beat }))).agree();
  }
  ring.expectSeen('a ACTIVE old 3');
});

test('a member that an operator forgets is gone from both', () => {
  const ring = new Both();
  ring.former((instances) => instances.set('a', member('a'))).agree();
  ring.entries.delete('a');
  ring.agree('a').expectSeen();
});

test('a value that is none of ours takes nothing away, and is replaced', () => {
  const ring = new Both().put(member('a'));
  ring.value = 'something else';
  ring.agree().expectSeen('a ACTIVE of a 1');
});
