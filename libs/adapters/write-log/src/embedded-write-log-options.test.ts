/** Protects the disk from a log without a bound, and says what a log without fsync keeps. */
import type { Disk } from '@loki/ports';
import { Prng, VirtualDisk } from '@loki/virtual';
import { openLog } from './test/open-log.ts';
import { testRecord } from './test/write-log-contract.ts';

/** Counts what is synced of log files that are open. */
function countingSyncs(inner: Disk): { disk: Disk; syncs: string[] } {
  const syncs: string[] = [];
  const disk: Disk = {
    open: async (path, how) => {
      const file = await inner.open(path, how);
      return {
        append: (bytes) => file.append(bytes),
        read: (offset, length) => file.read(offset, length),
        size: () => file.size(),
        truncate: (length) => file.truncate(length),
        close: () => file.close(),
        sync: () => {
          if (!path.startsWith('durable')) syncs.push(path);
          return file.sync();
        },
      };
    },
    list: (path) => inner.list(path),
    makeDirectory: (path) => inner.makeDirectory(path),
    rename: (from, to) => inner.rename(from, to),
    link: (from, to) => inner.link(from, to),
    remove: (path) => inner.remove(path),
    syncDirectory: (path) => inner.syncDirectory(path),
  };
  return { disk, syncs };
}

describe('a bound on the disk', () => {
  test('appends beyond it are refused, somebody is asked to flush before, and what is let go makes room', async () => {
    const disk = new VirtualDisk(new Prng(1));
    let asked = 0;
    const options = { bytesMax: 1 << 20, onNearlyFull: () => void asked++ };
    const log = await openLog(disk, options);
    let sequence = 0;
    const append = () => log.append(0, testRecord(++sequence, Buffer.alloc(20_000, sequence)));
    let last = 0;
    const fill = async () => {
      for (;;) {
        try {
          last = await append();
        } catch (error) {
          return error;
        }
      }
    };
    expect(await fill()).toMatchObject({ code: 'logNotAcked', status: 503 });
    expect(sequence).toBeGreaterThan(40);
    expect(asked).toBeGreaterThan(5);
    expect(log.diskBytes).toBeLessThanOrEqual(1 << 20);
    await log.truncateBefore(0, last + 1);
    expect(log.diskBytes).toBeLessThan(100_000);
    const before = sequence;
    await fill();
    expect(sequence).toBeGreaterThan(before + 40);
    // After a restart it counts the same files.
    const { diskBytes } = log;
    await log.close();
    const again = await openLog(disk, options);
    expect(Math.abs(again.diskBytes - diskBytes)).toBeLessThan(100_000);
    await expect(again.append(0, testRecord(1, Buffer.alloc(200_000)))).rejects.toMatchObject({
      code: 'logNotAcked',
    });
  });
});

describe('without fsync', () => {
  test('an append does not wait for the disk; a second later, after a close and in older files it is there', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const { disk: counted, syncs } = countingSyncs(disk.client());
    const log = await openLog({ client: () => counted }, { fsync: false });
    await log.append(0, testRecord(1));
    const begun = syncs.length;
    for (let i = 2; i <= 20; i++) await log.append(0, testRecord(i));
    expect(syncs).toHaveLength(begun);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(syncs.length).toBe(begun + 1);
    await log.append(0, testRecord(21));
    await log.close();
    expect(syncs.length).toBe(begun + 2);
    const again = await openLog(disk);
    const records = await again.read(0, 0, { bytesMax: 1 << 20, waitMs: 0 });
    expect(records.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
  });

  test('after a power cut the log opens, with whole records from its beginning, and goes on', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const disk = new VirtualDisk(new Prng(seed));
      const log = await openLog(disk, { fsync: false, fileBytesMax: 2_000 });
      for (let i = 1; i <= 40; i++) await log.append(0, testRecord(i, Buffer.alloc(100, i)));
      disk.crash();
      const again = await openLog(disk);
      const end = await again.endOffset(0);
      const records = await again.read(0, 0, { bytesMax: 1 << 20, waitMs: 0 });
      const found = records.map(({ sequence }) => sequence);
      expect(found).toEqual(Array.from({ length: found.length }, (_, i) => i + 1));
      // Files that were followed by another one are whole.
      expect(found.length).toBeGreaterThan(20);
      expect(end).toBeGreaterThanOrEqual(found.length);
      await again.append(0, testRecord(100));
      await again.close();
    }
  });
});
