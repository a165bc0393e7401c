/** The contract test of ring stores: each adapter runs it. */
import type { RingNews, RingStore } from '@loki/ports';
import { eventually } from '@loki/test-tools';

export interface RingStoreSubject {
  readonly store: RingStore;
  dispose(): Promise<void>;
}

/** The promises of every ring store. Each adapter's test runs it, on keys that nothing else uses. */
export function ringStoreContract(name: string, open: () => Promise<RingStoreSubject>): void {
  describe(`ring store contract: ${name}`, () => {
    let subject: RingStoreSubject;
    let store: RingStore;
    beforeEach(async () => {
      subject = await open();
      store = subject.store;
    });
    afterEach(() => subject.dispose());

    const put = (id: string, value: string, isNews = true): Promise<void> =>
      store.put({ key: 'k', id, value, isNews });

    test('an entry is there after it was put, under its key and id alone', async () => {
      expect(await store.entries('k')).toEqual(new Map());
      expect(await store.get('k', 'a')).toBeUndefined();
      await put('a', 'one');
      await put('b', 'two', false);
      await put('__proto__', 'three');
      expect(new Map(await store.entries('k'))).toEqual(
        new Map([
          ['a', 'one'],
          ['b', 'two'],
          ['__proto__', 'three'],
        ]),
      );
      expect(await store.get('k', 'a')).toBe('one');
      expect(await store.entries('other')).toEqual(new Map());
    });

    test('an entry is removed only while it is the one that was seen', async () => {
      await put('a', 'one');
      await put('b', 'one');
      expect(await store.remove('k', 'a', 'two')).toBe(false);
      expect(await store.remove('k', 'a', 'one')).toBe(true);
      expect(await store.remove('k', 'a', 'one')).toBe(false);
      expect([...(await store.entries('k'))]).toEqual([['b', 'one']]);
    });

    test('members that write at once take nothing from each other', async () => {
      const ids = Array.from({ length: 50 }, (_, i) => `member-${i}`);
      await Promise.all(ids.map((id) => put(id, `of ${id}`)));
      const entries = await store.entries('k');
      expect([...entries.keys()].sort()).toEqual([...ids].sort());
      expect(ids.every((id) => entries.get(id) === `of ${id}`)).toBe(true);
    });

    test('a watch tells news and removals of its key, not heartbeats, until it is stopped', async () => {
      const seen = new Map<string, string | undefined>();
      const others: (RingNews | undefined)[] = [];
      let isWatched = false;
      const stop = store.watch('k', (news) => {
        isWatched ||= news === undefined;
        for (const [id, value] of news ?? []) seen.set(id, value);
      });
      store.watch('other', (news) => news && others.push(news));
      // In memory nothing can be missed; a store that is far away says when it begins to tell.
      await Promise.race([eventually(() => isWatched), new Promise((resolve) => setTimeout(resolve, 300))]);
      await put('a', 'one');
      await eventually(() => seen.get('a') === 'one');
      await put('b', 'silent', false);
      await put('a', 'two');
      await eventually(() => seen.get('a') === 'two');
      expect(seen.has('b')).toBe(false);
      await store.remove('k', 'a', 'two');
      await eventually(() => seen.has('a') && seen.get('a') === undefined);
      stop();
      const late = new Map<string, string | undefined>();
      store.watch('k', (news) => {
        for (const [id, value] of news ?? []) late.set(id, value);
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      await put('a', 'three');
      await eventually(() => late.get('a') === 'three');
      expect(seen.get('a')).toBeUndefined();
      expect(others).toEqual([]);
    });
  });
}
