/**
 * Protects the bytes in the topic: they are Kafka's own format, they come back as written, and damage is
 * never served.
 */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import type { LogRecord } from '@loki/ports';
import { expectCost, unitOfCost } from '@loki/test-tools';
import { Prng } from '@loki/virtual';
import { batchBytes, batchBytesMax, parseFrame, readBatches, writeBatch } from './kafka-batch.ts';
import type { FetchedValue } from './kafka-batch.ts';
import { KafkaBytesReader, KafkaBytesWriter } from './kafka-bytes.ts';
import { fetchCall, metadataCall, offsetsCall, produceCall } from './kafka-protocol.ts';

/** The client library's own reading and writing of batches, as an oracle. */
const load = createRequire(import.meta.url);
const theirRead = load('kafkajs/src/protocol/recordBatch/v0/decoder') as (
  decoder: unknown,
) => Promise<{ records: { offset: string; key: Buffer | null; value: Buffer }[] }>;
const TheirDecoder = load('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => unknown;
const theirCrc = load('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
const theirRecord = load('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => unknown;
const { RecordBatch: theirBatch } = load('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (batch: object) => Promise<{ buffer: Buffer }>;
};

const partition = 7;
const records = fc.array(
  fc.record({
    writerId: fc.constantFrom('00'.repeat(16), 'fe'.repeat(16), '0123456789abcdef'.repeat(2)),
    sequence: fc.integer({ min: 1, max: 2 ** 53 - 1 }),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  { minLength: 1, maxLength: 70 },
);

function batchOf(list: readonly LogRecord[], baseOffset = 0): Buffer {
  const writer = new KafkaBytesWriter(batchBytes(list));
  writeBatch(writer, list, { partition, nowMs: 1_700_000_000_000 });
  writer.bytes.writeBigInt64BE(BigInt(baseOffset), 0); // as the broker does
  return writer.bytes;
}

function parsed(values: readonly FetchedValue[]): (LogRecord | string)[] {
  return values.map(({ value, fault }) => (value ? parseFrame(value, partition) : fault!));
}

describe('a batch', () => {
  test('comes back as it was written, from any offset in it', () => {
    fc.assert(
      fc.property(records, fc.nat(2 ** 40), fc.nat(), (list, base, skip) => {
        const bytes = batchOf(list, base);
        const from = base + (skip % list.length);
        const { values, nextOffset } = readBatches(bytes, from);
        expect(parsed(values)).toEqual(list.slice(from - base));
        expect(values.map(({ offset }) => offset)).toEqual(list.map((_, i) => base + i).slice(from - base));
        expect(nextOffset).toBe(base + list.length);
      }),
    );
  });

  test('is what the client library reads, checksum included, and not larger than foretold', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (list) => {
        const bytes = batchOf(list, 100);
        const theirs = await theirRead(new TheirDecoder(bytes));
        expect(theirs.records.map(({ offset }) => offset)).toEqual(list.map((_, i) => String(100 + i)));
        expect(theirs.records.map(({ value }) => parseFrame(value, partition))).toEqual(list);
        expect(bytes.readUInt32BE(17)).toBe(theirCrc(bytes.subarray(21)));
        const valueBytes = list.reduce((sum, { payload }) => sum + 36 + payload.length, 0);
        expect(bytes.length).toBeLessThanOrEqual(batchBytesMax(valueBytes, list.length));
      }),
    );
  });

  test('of somebody else, with keys and headers, is read for its values', async () => {
    const theirs = await theirBatch({
      records: [
        theirRecord({
          offsetDelta: 0,
          key: Buffer.from('key'),
          value: Buffer.from('one'),
          headers: { a: 'b' },
        }),
        theirRecord({ offsetDelta: 1, key: null, value: null }),
        theirRecord({ offsetDelta: 2, timestampDelta: 2 ** 33, key: null, value: Buffer.alloc(200, 1) }),
      ],
      lastOffsetDelta: 2,
    });
    const { values, nextOffset } = readBatches(theirs.buffer, 0);
    expect(values.map(({ value }) => value?.length)).toEqual([3, undefined, 200]);
    expect(parsed(values)).toEqual([
      'shorter than a record',
      'no value',
      expect.stringContaining('not a record'),
    ]);
    expect(nextOffset).toBe(3);
  });

  test('that is cut off at the end of an answer is left for the next one', () => {
    const list = [1, 2, 3].map((sequence) => ({
      writerId: 'ab'.repeat(16),
      sequence,
      payload: Buffer.alloc(50),
    }));
    const bytes = Buffer.concat([batchOf(list, 10), batchOf(list, 13)]);
    for (let length = 0; length < bytes.length; length++) {
      const { values, nextOffset } = readBatches(bytes.subarray(0, length), 10);
      const whole = length < bytes.length / 2 ? 0 : 3;
      expect([values.length, nextOffset]).toEqual([whole, 10 + whole]);
    }
  });

  test('with any one bit flipped serves no record but those that were written, where they stood', () => {
    const list = [1, 2, 3].map((sequence) => ({
      writerId: 'ab'.repeat(16),
      sequence,
      payload: Buffer.from(`payload ${sequence}`),
    }));
    const bytes = batchOf(list, 5);
    // The first twelve bytes say where the batch stands and ends: a change of those moves it, in any
    // client.
    for (let bit = 12 * 8; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const { values, nextOffset } = readBatches(damaged, 5);
      for (const { offset, value } of values) {
        const record = value && parseFrame(value, partition);
        if (typeof record === 'object') expect(record).toEqual(list[offset - 5]);
      }
      // Every offset that is stepped over was served or reported.
      const served = values.filter(({ value }) => value && typeof parseFrame(value, partition) === 'object');
      expect(nextOffset).toBeGreaterThan(5);
      expect(served.length === nextOffset - 5 || values.length > served.length).toBe(true);
    }
  });
});

test('Kafka’s own marks are stepped over in silence', () => {
  const bytes = batchOf([{ writerId: 'ab'.repeat(16), sequence: 1, payload: Buffer.alloc(0) }], 4);
  bytes.writeInt16BE(0x20 | 0x10, 21);
  expect(readBatches(bytes, 4).values).toMatchObject([{ fault: 'a damaged batch' }]);
  bytes.writeUInt32BE(theirCrc(bytes.subarray(21)), 17);
  expect(readBatches(bytes, 4)).toEqual({ values: [], nextOffset: 5 });
});

describe('a value', () => {
  const record = { writerId: 'ab'.repeat(16), sequence: 3, payload: Buffer.from('x') };
  const value = readBatches(batchOf([record]), 0).values[0].value!;

  test('of another partition is not believed', () => {
    expect(parseFrame(value, partition)).toEqual(record);
    expect(parseFrame(value, 8)).toBe('written for partition 7');
  });

  test('that is cut or extended is not believed', () => {
    for (let length = 0; length < value.length; length++) {
      expect(typeof parseFrame(value.subarray(0, length), partition)).toBe('string');
    }
    expect(parseFrame(Buffer.concat([value, Buffer.alloc(1)]), partition)).toBe('fails its checksum');
  });
});

test('numbers of Kafka’s forms come back', () => {
  fc.assert(
    fc.property(fc.integer(), fc.maxSafeInteger(), fc.string(), (small, large, text) => {
      const writer = new KafkaBytesWriter(100 + Buffer.byteLength(text));
      writer.varint(small).i64(large).text(text).text(undefined).i16(-2).i8(-3).i32(small).u32(5);
      const reader = new KafkaBytesReader(writer.bytes.subarray(0, writer.position));
      expect([reader.varint(), reader.i64(), reader.text(), reader.text()]).toEqual([
        small,
        large,
        text,
        undefined,
      ]);
      expect([reader.i16(), reader.i8(), reader.i32(), reader.u32(), reader.remaining]).toEqual([
        -2,
        -3,
        small,
        5,
        0,
      ]);
    }),
  );
});

test('answers of any bytes end in a value or an error, soon', async () => {
  const random = new Prng('kafka answers');
  const calls = [
    metadataCall('t'),
    offsetsCall('t', [0], 'end'),
    fetchCall('t', [{ partition: 0, offset: 0 }], { waitMs: 0, bytesMax: 1, partitionBytesMax: 1 }),
    produceCall('t', 0, [{ writerId: 'ab'.repeat(16), sequence: 1, payload: Buffer.alloc(1) }], {
      nowMs: 0,
      timeoutMs: 1,
    }),
  ];
  const list = [1, 2].map((sequence) => ({ writerId: 'ab'.repeat(16), sequence, payload: Buffer.alloc(20) }));
  const batch = batchOf(list, 3);
  const decode = () => {
    const bytes = Buffer.from(random.bytes(random.int(0, 200)));
    for (const call of calls) {
      try {
        call.decode(bytes);
      } catch (error) {
        expect((error as Error).name).toMatch(/KafkaBytesError|RangeError/);
      }
    }
    const damaged = Buffer.from(batch);
    for (let n = random.int(1, 6); n > 0; n--) {
      damaged[random.int(0, damaged.length - 1)] = random.int(0, 255);
    }
    readBatches(damaged, 0);
  };
  // A count of billions that is believed takes seconds.
  for (let i = 0; i < 100; i++) {
    const decodeMany = () => () => {
      for (let n = 0; n < 200; n++) decode();
    };
    await expectCost(decodeMany, unitOfCost, { timesMax: 400, rounds: 1 });
  }
});
