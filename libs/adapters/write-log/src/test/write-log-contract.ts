/** The contract test of write logs: each adapter runs it. */
import type { LogRecord, WriteLog } from '@loki/ports';

/** An adapter under test: a fresh, empty log of three partitions, and the function that removes it. */
export interface WriteLogSubject {
  readonly log: WriteLog;
  dispose(): Promise<void>;
}

const writerId = 'a0'.repeat(16);

export function testRecord(sequence: number, payload: string | Buffer = `payload ${sequence}`): LogRecord {
  return { writerId, sequence, payload: Buffer.from(payload) };
}

/** The promises of every write log. Each adapter's test runs it. */
export function writeLogContract(name: string, open: () => Promise<WriteLogSubject>): void {
  describe(`write log contract: ${name}`, () => {
    let subject: WriteLogSubject;
    let log: WriteLog;
    beforeEach(async () => {
      subject = await open();
      log = subject.log;
    });
    afterEach(() => subject.dispose());

    const readAll = { bytesMax: 1 << 20, waitMs: 0 };

    test('records come back as they were appended, in the order of their offsets', async () => {
      const offsets = [];
      for (let i = 1; i <= 20; i++) offsets.push(await log.append(1, testRecord(i)));
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      const read: unknown[] = [];
      for (let from = await log.startOffset(1); from <= offsets[19];) {
        const some = await log.read(1, from, { bytesMax: 300, waitMs: 60_000 });
        expect(some.length).toBeGreaterThan(0);
        read.push(...some);
        from = some.at(-1)!.offset + 1;
      }
      expect(read).toEqual(offsets.map((offset, i) => ({ offset, ...testRecord(i + 1) })));
      expect(await log.endOffset(1)).toBeGreaterThan(offsets[19]);
    });

    test('partitions are apart', async () => {
      await log.append(0, testRecord(1, 'zero'));
      await log.append(2, testRecord(1, 'two'));
      const start = await log.startOffset(0);
      const zero = await log.read(0, start, { bytesMax: 1000, waitMs: 60_000 });
      expect(zero.map((record) => record.payload.toString())).toEqual(['zero']);
      expect(await log.read(1, await log.startOffset(1), readAll)).toEqual([]);
      expect(log.partitionCount).toBe(3);
    });

    test('appends made at the same time all get offsets of their own', async () => {
      const offsets = await Promise.all(
        Array.from({ length: 100 }, (_, i) => log.append(0, testRecord(i + 1))),
      );
      expect(new Set(offsets).size).toBe(100);
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    });

    test('an empty payload and every byte value survive', async () => {
      const bytes = Buffer.from(Array.from({ length: 1024 }, (_, i) => i & 0xff));
      await log.append(0, testRecord(1, Buffer.alloc(0)));
      await log.append(0, testRecord(2 ** 40, bytes));
      const start = await log.startOffset(0);
      const first = await log.read(0, start, { bytesMax: 1 << 20, waitMs: 60_000 });
      const read =
        first.length > 1 ? first : [...first, ...(await log.read(0, first[0].offset + 1, readAll))];
      expect(read.map((record) => record.sequence)).toEqual([1, 2 ** 40]);
      expect(read.map((record) => record.payload)).toEqual([Buffer.alloc(0), bytes]);
    });

    test('a read gives one record at least, and about as many bytes as asked for', async () => {
      for (let i = 1; i <= 10; i++) await log.append(0, testRecord(i, Buffer.alloc(1000, i)));
      const start = await log.startOffset(0);
      expect(await log.read(0, start, { bytesMax: 1, waitMs: 60_000 })).toHaveLength(1);
      const some = await log.read(0, start, { bytesMax: 3000, waitMs: 60_000 });
      expect(some.length).toBeGreaterThanOrEqual(2);
      expect(some.length).toBeLessThanOrEqual(4);
    });

    test('a waiting read is woken by an append, and by nothing else before its time', async () => {
      const end = await log.endOffset(1);
      const woken = log.read(1, end, { bytesMax: 1000, waitMs: 60_000 });
      await log.append(0, testRecord(1));
      const offset = await log.append(1, testRecord(1));
      expect(await woken).toEqual([{ offset, ...testRecord(1) }]);
      expect(await log.read(1, offset + 1, { bytesMax: 1000, waitMs: 20 })).toEqual([]);
    });

    test('a waiting read ends when its signal aborts', async () => {
      const abort = new AbortController();
      const end = await log.endOffset(0);
      const waiting = log.read(0, end, { bytesMax: 1000, waitMs: 60_000, signal: abort.signal });
      const failed = expect(waiting).rejects.toThrow('enough');
      abort.abort(new Error('enough'));
      await failed;
      await expect(log.read(0, end, { ...readAll, signal: abort.signal })).rejects.toThrow('enough');
    });

    test('what was truncated is skipped, what was not stays', async () => {
      const offsets: number[] = [];
      for (let i = 1; i <= 10; i++) offsets.push(await log.append(0, testRecord(i)));
      await log.truncateBefore(0, offsets[5]);
      const start = await log.startOffset(0);
      expect(start).toBeLessThanOrEqual(offsets[5]);
      const read = await log.read(0, 0, { bytesMax: 1 << 20, waitMs: 60_000 });
      expect(read[0].offset).toBeGreaterThanOrEqual(start);
      expect(read.map((record) => record.offset)).toEqual(offsets.filter((each) => each >= read[0].offset));
      expect(read.map((record) => record.offset)).toContain(offsets[5]);
    });

    test('a partition that does not exist is refused', async () => {
      await expect(log.append(3, testRecord(1))).rejects.toThrow('partition 3');
      await expect(log.read(-1, 0, readAll)).rejects.toThrow('partition -1');
    });
  });
}
