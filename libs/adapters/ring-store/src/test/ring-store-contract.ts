import type { RingStore } from '@loki/ports';
import { eventually } from '@loki/test-tools';

export interface RingStoreSubject {
  readonly store: RingStore;
  dispose(): Promise<void>;
}

/** What every ring store promises. Run it for each adapter, on keys that nothing else uses. */
export function ringStoreContract(name: string, open: () => Promise<RingStoreSubject>): void {
  describe(`ring store contract: ${name}`, () => {
    let subject: RingStoreSubject;
    let store: RingStore;
    beforeEach(async () => {
      subject = await open();
      store = subject.store;
    });
    afterEach(() => subject.dispose());

    test('a value is there after it was set, under its key alone', async () => {
      expect(await store.get('a')).toBeUndefined();
      expect(await store.compareAndSet('a', 'one', undefined)).toBe(true);
      expect((await store.get('a'))?.value).toBe('one');
      expect(await store.get('b')).toBeUndefined();
    });

    test('only who has seen the newest version may write', async () => {
      await store.compareAndSet('a', 'one', undefined);
      const seen = await store.get('a');
      expect(await store.compareAndSet('a', 'two', undefined)).toBe(false);
      expect(await store.compareAndSet('a', 'two', seen!.version)).toBe(true);
      expect(await store.compareAndSet('a', 'three', seen!.version)).toBe(false);
      const later = await store.get('a');
      expect(later!.value).toBe('two');
      expect(later!.version).not.toBe(seen!.version);
      // Also when the value itself has come back to what it was.
      expect(await store.compareAndSet('a', 'one', later!.version)).toBe(true);
      expect(await store.compareAndSet('a', 'late', seen!.version)).toBe(false);
    });

    test('of many who write at once, one wins each round', async () => {
      let total = 0;
      const add = async (): Promise<void> => {
        for (let added = 0; added < 20;) {
          const seen = await store.get('count');
          const next = String(Number(seen?.value ?? '0') + 1);
          if (await store.compareAndSet('count', next, seen?.version)) added++;
        }
        total += 20;
      };
      await Promise.all([add(), add(), add(), add()]);
      expect((await store.get('count'))?.value).toBe(String(total));
    });

    test('a watch tells the value at first and each change, until it is stopped', async () => {
      const seen: (string | undefined)[] = [];
      const others: (string | undefined)[] = [];
      const stop = store.watch('a', (value) => seen.push(value));
      store.watch('b', (value) => others.push(value));
      await eventually(() => seen.length === 1);
      expect(seen).toEqual([undefined]);
      await store.compareAndSet('a', 'one', undefined);
      await eventually(() => seen.at(-1) === 'one');
      await store.compareAndSet('a', 'two', (await store.get('a'))!.version);
      await eventually(() => seen.at(-1) === 'two');
      stop();
      await store.compareAndSet('a', 'three', (await store.get('a'))!.version);
      const late: (string | undefined)[] = [];
      store.watch('a', (value) => late.push(value));
      await eventually(() => late.at(-1) === 'three');
      expect(seen.at(-1)).toBe('two');
      expect(others).toEqual([undefined]);
    });
  });
}
