import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '@loki/bytes';
import { NodeDisk, NodeTimers } from '@loki/runtime';
import { Prng, VirtualDisk, diskError } from '@loki/virtual';
import { EmbeddedWriteLog } from './embedded-write-log.ts';
import { fileHeaderBytes } from './format.ts';
import { openLog, readSequences } from './test/open-log.ts';
import { testRecord, writeLogContract } from './test/write-log-contract.ts';

const timers = new NodeTimers();

writeLogContract('embedded, virtual disk', async () => {
  const log = await openLog(new VirtualDisk(new Prng(1)), { partitionCount: 3 });
  return { log, dispose: () => log.close() };
});

writeLogContract('embedded, virtual disk, tiny files, nothing kept in memory', async () => {
  const log = await openLog(new VirtualDisk(new Prng(1)), {
    partitionCount: 3,
    fileBytesMax: 200,
    batchBytesMax: 100,
    recentBytesMaxPerPartition: 0,
  });
  return { log, dispose: () => log.close() };
});

writeLogContract('embedded, real disk', async () => {
  const root = mkdtempSync(join(tmpdir(), 'loki-log-'));
  const disk = new NodeDisk(root);
  const random = new Prng(2);
  const log = await EmbeddedWriteLog.open({ disk, timers, random, partitionCount: 3 });
  const dispose = async (): Promise<void> => {
    await log.close();
    rmSync(root, { recursive: true });
  };
  return { log, dispose };
});

describe('what is acknowledged is durable', () => {
  test('a closed log opens again with all records, and goes on counting', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { fileBytesMax: 300 });
    for (let i = 1; i <= 30; i++) await log.append(0, testRecord(i));
    await log.close();
    await expect(log.append(0, testRecord(31))).rejects.toMatchObject({ code: 'logNotAcked' });
    expect(disk.paths().length).toBeGreaterThan(5);
    const again = await openLog(disk);
    expect(await again.append(0, testRecord(31))).toBe(30);
    expect(await readSequences(again)).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
    expect(again.damage()).toEqual([]);
  });

  test('appends that come while an fsync runs share the next one', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    await log.append(0, testRecord(1));
    let syncs = 0;
    disk.onOperation = ({ kind }) => void (kind === 'sync' && syncs++);
    await Promise.all(Array.from({ length: 50 }, (_, i) => log.append(0, testRecord(i + 2))));
    expect(syncs).toBeLessThanOrEqual(2);
  });

  test('a record is not visible before its fsync is done', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    await log.append(0, testRecord(1));
    let seen: Promise<unknown[]> | undefined;
    disk.onOperation = ({ kind }) => {
      if (kind === 'sync') seen = log.read(0, 1, { bytesMax: 1000, waitMs: 0 });
    };
    await log.append(0, testRecord(2));
    expect(await seen).toEqual([]);
    expect(await readSequences(log, 1)).toEqual([2]);
  });

  test('a consumer that keeps up never touches the disk', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    disk.onOperation = ({ kind }) => {
      if (kind === 'read') throw new Error('read from disk');
    };
    for (let i = 1; i <= 200; i++) {
      await log.append(0, testRecord(i));
      const read = await log.read(0, i - 1, { bytesMax: 1000, waitMs: 0 });
      expect(read.map((record) => record.sequence)).toEqual([i]);
    }
  });

  test('no record gets an offset below what the catalog has seen, even when the files are lost', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { atLeast: [500] });
    expect(await log.append(0, testRecord(1))).toBe(500);
    await log.append(0, testRecord(2));
    await log.close();
    const later = await openLog(disk, { atLeast: [700] });
    expect(await later.append(0, testRecord(3))).toBe(700);
    expect(await readSequences(later)).toEqual([1, 2, 3]);
    await later.close();
    const again = await openLog(disk, { atLeast: [600] });
    expect(await again.endOffset(0)).toBe(701);
    expect(await readSequences(again, 502)).toEqual([3]);
  });

  test('truncation removes whole files and survives a crash', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { fileBytesMax: 200 });
    for (let i = 1; i <= 20; i++) await log.append(0, testRecord(i));
    const before = disk.paths().length;
    await log.truncateBefore(0, 15);
    expect(disk.paths().length).toBeLessThan(before - 3);
    disk.crash();
    const again = await openLog(disk);
    const start = await again.startOffset(0);
    expect(start).toBeGreaterThan(10);
    expect(await readSequences(again)).toEqual(Array.from({ length: 20 - start }, (_, i) => start + i + 1));
    await again.truncateBefore(0, 1e9);
    expect(await again.endOffset(0)).toBe(20);
  });

  test('records of partitions that are not there any more stop the log from opening', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { partitionCount: 3 });
    await log.append(2, testRecord(1));
    await log.close();
    await expect(openLog(disk, { partitionCount: 2 })).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining('2/') as string,
    });
  });
});

describe('bounds', () => {
  test('a record or a queue that is too large is refused', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { recordBytesMax: 1000, pendingBytesMax: 2500 });
    await expect(log.append(0, testRecord(1, Buffer.alloc(1000)))).rejects.toMatchObject({
      code: 'bodyTooLarge',
    });
    const fits = [1, 2].map((i) => log.append(0, testRecord(i, Buffer.alloc(900))));
    await expect(log.append(0, testRecord(3, Buffer.alloc(900)))).rejects.toMatchObject({
      code: 'logNotAcked',
    });
    expect(await Promise.all(fits)).toEqual([0, 1]);
    expect(await log.append(0, testRecord(3, Buffer.alloc(900)))).toBe(2);
    await expect(log.append(0, { ...testRecord(4), writerId: 'me' })).rejects.toThrow('32 hex digits');
  });
});

describe('a disk that fails', () => {
  test('a full disk refuses, keeps serving, and takes records again when there is room', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { recentBytesMaxPerPartition: 0 });
    await log.append(0, testRecord(1));
    disk.faults.capacityBytes = disk.usedBytes + 30;
    for (const sequence of [2, 3]) {
      await expect(log.append(0, testRecord(sequence))).rejects.toMatchObject({
        code: 'logNotAcked',
        status: 503,
        message: expect.stringContaining('ENOSPC') as string,
      });
    }
    expect(await readSequences(log)).toEqual([1]);
    disk.faults.capacityBytes = Number.POSITIVE_INFINITY;
    expect(await log.append(0, testRecord(4))).toBe(1);
    disk.crash();
    expect(await readSequences(await openLog(disk))).toEqual([1, 4]);
  });

  test('a disk that is full before the first file can be made recovers too', async () => {
    const disk = new VirtualDisk(new Prng(1));
    disk.faults.capacityBytes = 10;
    const log = await openLog(disk);
    await expect(log.append(0, testRecord(1))).rejects.toMatchObject({ code: 'logNotAcked' });
    disk.faults.capacityBytes = 1000;
    expect(await log.append(0, testRecord(1))).toBe(0);
    expect(disk.paths()).toHaveLength(1);
  });

  test('after a failed fsync the file is never written again', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    await log.append(0, testRecord(1));
    disk.faults.syncError = 1;
    await expect(log.append(0, testRecord(2))).rejects.toMatchObject({ code: 'logNotAcked' });
    await expect(log.append(0, testRecord(3))).rejects.toMatchObject({ code: 'logNotAcked' });
    disk.faults.syncError = 0;
    const before = disk.bytesOf('0/00000000000000000000.log');
    expect(await log.append(0, testRecord(4))).toBe(1);
    expect(disk.bytesOf('0/00000000000000000000.log')).toEqual(before);
    expect(disk.paths()).toContain('0/00000000000000000001.log');
    disk.crash();
    expect(await readSequences(await openLog(disk))).toEqual([1, 4]);
  });

  test('a file that cannot even be shortened ends where the next one begins', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    await log.append(0, testRecord(1));
    disk.onOperation = ({ kind, path }) => {
      if (kind === 'sync' || kind === 'truncate') throw diskError('EIO', kind, path);
    };
    await expect(log.append(0, testRecord(2))).rejects.toMatchObject({ code: 'logNotAcked' });
    disk.onOperation = undefined;
    await log.append(0, testRecord(3));
    expect(await readSequences(log)).toEqual([1, 3]);
    await log.close();
    const again = await openLog(disk);
    expect(await readSequences(again)).toEqual([1, 3]);
    expect(again.damage()).toEqual([]);
  });

  test('a read error is an error, not an empty answer', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { recentBytesMaxPerPartition: 0 });
    for (let i = 1; i <= 3; i++) await log.append(0, testRecord(i));
    disk.faults.readError = 1;
    await expect(log.read(0, 0, { bytesMax: 1, waitMs: 0 })).rejects.toMatchObject({ code: 'unavailable' });
    disk.faults.readError = 0;
    expect(await readSequences(log)).toEqual([1, 2, 3]);
  });

  test.each(Array.from({ length: 150 }, (_, seed) => seed))(
    'seed %i: whatever fails and crashes, acknowledged records are there once and in order',
    async (seed) => {
      const random = new Prng(`log ${seed}`);
      const disk = new VirtualDisk(random.fork('disk'));
      const acked = new Map<number, number>(); // offset to sequence
      let sequence = 0;
      for (let round = 0; round < 6; round++) {
        disk.faults = {
          ...disk.faults,
          writeError: 0,
          syncError: 0,
          changeError: 0,
          capacityBytes: Infinity,
        };
        const log = await openLog(disk, { fileBytesMax: random.int(100, 2000), random: random.fork('salt') });
        expect(log.damage()).toEqual([]);
        const read = await log.read(0, 0, { bytesMax: 1e9, waitMs: 0 });
        const all = [...read];
        for (let next = read.at(-1); next;) {
          const more = await log.read(0, next.offset + 1, { bytesMax: 1e9, waitMs: 0 });
          all.push(...more);
          next = more.at(-1);
        }
        expect(log.damage()).toEqual([]);
        expect(all.map((record) => record.offset)).toEqual(all.map((_, i) => i));
        expect(new Set(all.map((record) => record.sequence)).size).toBe(all.length);
        for (const [offset, each] of acked) expect(all[offset]?.sequence).toBe(each);
        if (random.chance(0.7)) {
          disk.faults.writeError = random.float() * 0.3;
          disk.faults.syncError = random.float() * 0.3;
          disk.faults.changeError = random.float() * 0.3;
          if (random.chance(0.3)) disk.faults.capacityBytes = disk.usedBytes + random.int(0, 3000);
        }
        const appends: Promise<unknown>[] = [];
        for (let i = 0; i < random.int(1, 40); i++) {
          const mine = ++sequence;
          const record = testRecord(mine, Buffer.alloc(random.int(0, 700), mine));
          appends.push(
            log.append(0, record).then(
              (offset) => acked.set(offset, mine),
              () => undefined,
            ),
          );
          if (random.chance(0.3)) await appends.at(-1);
        }
        if (random.chance(0.5)) await Promise.all(appends);
        if (random.chance(0.8)) disk.crash();
        else await log.close();
        await Promise.all(appends);
      }
      expect(sequence).toBeGreaterThan(0);
    },
  );
});

describe('damaged bytes', () => {
  /** Three files of several records each, all appended one by one. */
  async function threeFiles(): Promise<VirtualDisk> {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk, { fileBytesMax: 140 });
    for (let i = 1; i <= 7; i++) await log.append(0, testRecord(i, `p${i}`));
    await log.close();
    expect(disk.paths()).toEqual([...disk.paths().slice(0, 3), 'durable']);
    return disk;
  }

  const all = Array.from({ length: 7 }, (_, i) => i + 1);

  /** Offset after the last record of a file that is whole when the file is cut. */
  function wholeBefore(bytes: Buffer, firstOffset: number, cut: number): number {
    let whole = firstOffset;
    for (let at = fileHeaderBytes; at + 8 <= bytes.length; whole++) {
      at += 48 + bytes.readUInt32LE(at + 4);
      if (at > cut) break;
    }
    return whole;
  }

  test('the newest file cut at any byte keeps exactly the whole records before the cut, and says what is lost', async () => {
    const disk = await threeFiles();
    const path = disk.paths()[2];
    const bytes = disk.bytesOf(path);
    const firstOffset = Number(path.slice(2, 22));
    for (let cut = 0; cut < bytes.length; cut++) {
      const copy = disk.clone();
      copy.place(path, bytes.subarray(0, cut));
      const log = await openLog(copy);
      const whole = wholeBefore(bytes, firstOffset, cut);
      expect(await readSequences(log)).toEqual(all.slice(0, whole));
      expect(damagedSequences(log)).toEqual(all.slice(whole));
      // An offset is never given twice.
      expect(await log.append(0, testRecord(99))).toBe(7);
      expect(await readSequences(log, whole)).toEqual([99]);
    }
  });

  test('of a process that was killed, a cut into what was durable a moment before is damage, behind it a torn tail', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    for (let i = 1; i <= 5; i++) await log.append(0, testRecord(i));
    await new Promise((resolve) => setTimeout(resolve, 400)); // the mark lags behind the log
    await log.append(0, testRecord(6));
    const [path] = disk.paths();
    const bytes = disk.bytesOf(path);
    for (let cut = fileHeaderBytes; cut < bytes.length; cut++) {
      const copy = disk.clone();
      copy.place(path, bytes.subarray(0, cut));
      const again = await openLog(copy);
      const whole = wholeBefore(bytes, 0, cut);
      expect(await readSequences(again)).toEqual(all.slice(0, whole));
      expect(damagedSequences(again)).toEqual(all.slice(whole, 5));
    }
    await log.close();
  });

  test.each([
    ['the newest file is', [2], [7]],
    ['the two newest files are', [1, 2], [4, 5, 6, 7]],
    ['all files are', [0, 1, 2], all],
  ])('%s missing: told, and offsets go on', async (_, missing, lost) => {
    const disk = await threeFiles();
    const copy = disk.clone();
    for (const i of missing) copy.remove(disk.paths()[i]);
    const log = await openLog(copy);
    expect(damagedSequences(log)).toEqual(lost);
    expect(await log.append(0, testRecord(8))).toBe(7);
    expect(await readSequences(log)).toEqual([...all.filter((each) => !lost.includes(each)), 8]);
  });

  test('files that lack nothing but what is committed are no damage', async () => {
    const disk = await threeFiles();
    const copy = disk.clone();
    copy.remove(disk.paths()[2]);
    const log = await openLog(copy, { atLeast: [7] });
    expect(log.damage()).toEqual([]);
    expect(await log.append(0, testRecord(8))).toBe(7);
  });

  test('a mark that is cut or damaged anywhere never claims more than was durable', async () => {
    const disk = await threeFiles();
    const bytes = disk.bytesOf('durable');
    for (let at = 0; at < bytes.length; at++) {
      for (const damaged of [
        bytes.subarray(0, at),
        Buffer.from(bytes.map((b, i) => (i === at ? b ^ 0x40 : b))),
      ]) {
        const copy = disk.clone();
        copy.place('durable', damaged);
        const log = await openLog(copy);
        expect(log.damage()).toEqual([]);
        expect(await log.endOffset(0)).toBe(7);
      }
    }
  });

  test('a newest file whose header makes no sense is set aside and told; the process starts', async () => {
    const disk = await threeFiles();
    const path = disk.paths()[2];
    const bytes = disk.bytesOf(path);
    bytes.fill(0, 0, fileHeaderBytes);
    const copy = disk.clone();
    copy.place(path, bytes);
    const log = await openLog(copy);
    expect(damagedSequences(log)).toEqual([7]);
    expect(await log.append(0, testRecord(8))).toBe(7);
    expect(await readSequences(log)).toEqual([1, 2, 3, 4, 5, 6, 8]);
    expect(copy.bytesOf(path)).toEqual(bytes);
  });

  test('an older file cut at any byte loses what was cut, says so, and nothing else', async () => {
    const disk = await threeFiles();
    const path = disk.paths()[1];
    const bytes = disk.bytesOf(path);
    for (let cut = 0; cut < bytes.length; cut++) {
      const copy = disk.clone();
      copy.place(path, bytes.subarray(0, cut));
      const log = await openLog(copy);
      const read = await readSequences(log);
      const lost = all.filter((each) => !read.includes(each));
      expect(lost.length).toBeGreaterThan(0);
      expect(read).toEqual(all.filter((each) => !lost.includes(each)));
      expect(damagedSequences(log)).toEqual(lost);
      expect(log.damage()[0].path).toBe(path);
    }
  });

  test('every flipped bit is found: nothing wrong is served, and what is lost is reported', async () => {
    const disk = await threeFiles();
    for (const path of disk.paths().slice(0, 3)) {
      const bytes = disk.bytesOf(path);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const copy = disk.clone();
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] ^= 1 << (bit & 7);
        copy.place(path, flipped);
        const log = await openLog(copy);
        const read = await log.read(0, 0, { bytesMax: 1e6, waitMs: 0 });
        for (let some = read; some.length > 0;) {
          some = await log.read(0, read.at(-1)!.offset + 1, { bytesMax: 1e6, waitMs: 0 });
          read.push(...some);
        }
        for (const record of read) {
          expect(record).toEqual({
            ...testRecord(record.offset + 1, `p${record.offset + 1}`),
            offset: record.offset,
          });
        }
        const lost = all.filter((each) => !read.some((record) => record.sequence === each));
        // A header is not needed while the first record proves the salt.
        const isSpared = bit >> 3 < fileHeaderBytes;
        expect(lost.length > 0).toBe(!isSpared);
        expect(damagedSequences(log)).toEqual(lost);
      }
    }
  });

  test('a damaged record in the newest file does not take the ones behind it along', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    for (let i = 1; i <= 5; i++) await log.append(0, testRecord(i));
    await log.close();
    const bytes = disk.bytesOf(disk.paths()[0]);
    bytes[fileHeaderBytes + 57 + 4] ^= 0xff; // the second record's length
    disk.place(disk.paths()[0], bytes);
    const again = await openLog(disk);
    expect(await again.append(0, testRecord(6))).toBe(5);
    expect(await readSequences(again)).toEqual([1, 3, 4, 5, 6]);
    expect(damagedSequences(again)).toEqual([2]);
    await again.close();
  });

  /** Protects: a damaged sector holds many records; the log opens, and keeps the records behind it. */
  test('a damaged stretch up into the newest commit does not take the records behind it along', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    for (let i = 1; i <= 3; i++) await log.append(0, testRecord(i));
    await Promise.all([4, 5, 6, 7].map((i) => log.append(0, testRecord(i))));
    await log.close();
    const path = disk.paths()[0];
    const recordBytes = (disk.bytesOf(path).length - fileHeaderBytes) / 7;
    for (let first = 1; first <= 3; first++) {
      for (let last = first; last <= 6; last++) {
        const bytes = disk.bytesOf(path);
        bytes.fill(0xff, fileHeaderBytes + (first - 1) * recordBytes, fileHeaderBytes + last * recordBytes);
        const copy = disk.clone();
        copy.place(path, bytes);
        const again = await openLog(copy);
        expect(await again.append(0, testRecord(8))).toBe(7);
        const damaged = all.filter((i) => i >= first && i <= last);
        expect(damagedSequences(again)).toEqual(damaged);
        expect(await readSequences(again)).toEqual([...all.filter((i) => !damaged.includes(i)), 8]);
        await again.close();
      }
    }
  });

  test('a record with a sequence that no writer has is no record, and the log opens', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    for (let i = 1; i <= 2; i++) await log.append(0, testRecord(i));
    await log.close();
    const path = disk.paths()[0];
    const bytes = disk.bytesOf(path);
    const at = fileHeaderBytes + (bytes.length - fileHeaderBytes) / 2;
    bytes.fill(0xff, at + 40, at + 48);
    bytes.writeUInt32LE(crc32c(bytes, at + 4, bytes.length, bytes.readUInt32LE(24)), at);
    disk.place(path, bytes);
    const again = await openLog(disk);
    expect(await readSequences(again)).toEqual([1]);
    expect(damagedSequences(again)).toEqual([2]);
    await again.close();
  });

  test('bytes inside a payload that look like a record are not taken for one', async () => {
    const disk = new VirtualDisk(new Prng(1));
    const log = await openLog(disk);
    for (let i = 1; i <= 3; i++) await log.append(0, testRecord(i));
    await log.close();
    const file = disk.bytesOf(disk.paths()[0]);
    const target = new VirtualDisk(new Prng(1));
    const other = await openLog(target, { random: new Prng('other salt') });
    await other.append(0, testRecord(50, file.subarray(fileHeaderBytes)));
    await other.close();
    const bytes = target.bytesOf(target.paths()[0]);
    bytes[fileHeaderBytes] ^= 1;
    target.place(target.paths()[0], bytes);
    expect(await readSequences(await openLog(target))).toEqual([]);
  });
});

function damagedSequences(log: EmbeddedWriteLog): number[] {
  const lost: number[] = [];
  for (const { fromOffset, toOffset } of log.damage()) {
    for (let offset = fromOffset; offset < toOffset; offset++) lost.push(offset + 1);
  }
  return lost;
}
