/** Protects the mark of a store's owner: two logs that both believe to own it lose lines of each other. */
import { MemoryObjectStore } from '@loki/object-store';
import { foreignOwnerText, OwnerMark } from './owner-mark.ts';

const owner = (digit: string) => ({ logId: digit.repeat(32), place: `host-${digit}:/data`, sinceMs: 1_000 });

describe('the mark of the owner', () => {
  test('is the first one’s, of all that claim at one time', async () => {
    const store = new MemoryObjectStore();
    expect(await new OwnerMark(store).current()).toBeUndefined();
    const owners = await Promise.all(
      ['a', 'b', 'c'].map((digit) => new OwnerMark(store).claim(owner(digit))),
    );
    expect(new Set(owners.map(({ logId }) => logId)).size).toBe(1);
    expect(await new OwnerMark(store).current()).toEqual(owners[0]);
    expect(await new OwnerMark(store).claim(owner('d'))).toEqual(owners[0]);
  });

  test('moves, and the newest counts, also past ten', async () => {
    const store = new MemoryObjectStore();
    const mark = new OwnerMark(store);
    await mark.claim(owner('a'));
    for (const digit of '0123456789b') await mark.move(owner(digit));
    expect(await mark.current()).toEqual(owner('b'));
    await Promise.all([mark.move(owner('c')), new OwnerMark(store).move(owner('d'))]);
    expect(['c', 'd']).toContain((await mark.current())?.logId[0]);
  });

  test('that is damaged stops a start, naming the object', async () => {
    const store = new MemoryObjectStore();
    const mark = new OwnerMark(store);
    await mark.claim(owner('a'));
    const key = 'catalog/owners/00000000000000000001';
    const bytes = await store.get(key);
    bytes[9] ^= 1;
    await store.put(key, bytes);
    await expect(mark.claim(owner('b'))).rejects.toMatchObject({ code: 'corrupt' });
    await expect(mark.claim(owner('b'))).rejects.toThrow(key);
  });

  test('a refusal names both logs and the remedy', () => {
    const text = foreignOwnerText(owner('a'), owner('b'), '/data/chunks');
    for (const part of [
      'host-a:/data',
      '1970-01-01T00:00:01.000Z',
      `lokictl owner move --to ${'b'.repeat(32)} /data/chunks`,
    ]) {
      expect(text).toContain(part);
    }
  });
});
