/** Files of the embedded log, and what brokers of Kafka answer. */
import { crc32c } from '@loki/bytes';
import type { LogRecord } from '@loki/ports';
import { NodeTimers } from '@loki/runtime';
import { refusalOf } from '@loki/test-tools';
import type { FuzzTarget, GoldenFile } from '@loki/test-tools';
import { Prng, VirtualDisk } from '@loki/virtual';
import { EmbeddedWriteLog } from './embedded-write-log.ts';
import {
  encodeFileHeader,
  fileHeaderBytes,
  framedBytes,
  headerOf,
  parseRecord,
  writeRecord,
} from './format.ts';
import { batchBytes, parseFrame, readBatches, writeBatch } from './kafka-batch.ts';
import { KafkaBytesError, KafkaBytesWriter } from './kafka-bytes.ts';
import { fetchCall, metadataCall, offsetsCall, produceCall } from './kafka-protocol.ts';
import { readLogIdentity } from './log-identity.ts';
import { findRecord } from './scan.ts';

const salt = 0x5eed;
const records: LogRecord[] = ['one', 'the second record', '', 'four'].map((text, index) => ({
  writerId: 'ab'.repeat(16),
  sequence: index + 1,
  payload: Buffer.from(text),
}));

/** A log file with all records, the first of which is at offset 0. */
function logFile(): Buffer {
  const header = encodeFileHeader({ partition: 0, firstOffset: 0, salt });
  const bytes = Buffer.alloc(header.length + records.reduce((sum, record) => sum + framedBytes(record), 0));
  header.copy(bytes);
  let at = header.length;
  records.forEach(
    (record, offset) => (at = writeRecord(bytes, at, record, { offset, durableOffset: offset, salt })),
  );
  return bytes;
}

const path = '0/00000000000000000000.log';

function diskWith(name: string, bytes: Buffer): VirtualDisk {
  const disk = new VirtualDisk(new Prng(1));
  disk.place(name, bytes);
  return disk;
}

/**
 * Opens a log of that one file, and reads and appends: each record as text, and `damaged` for reported
 * damage.
 */
async function readLog(bytes: Buffer): Promise<{ texts: string[]; damage: number }> {
  const disk = diskWith(path, bytes);
  const log = await EmbeddedWriteLog.open({
    disk: disk.client(),
    timers: new NodeTimers(),
    random: new Prng('salts'),
    partitionCount: 1,
  });
  try {
    const texts: string[] = [];
    for (let from = await log.startOffset(0); ;) {
      const some = await log.read(0, from, { bytesMax: 1 << 20, waitMs: 0 });
      if (some.length === 0) break;
      for (const { offset, sequence, payload } of some) {
        texts.push(`${offset} ${sequence} ${payload.toString()}`);
      }
      from = some.at(-1)!.offset + 1;
    }
    const end = await log.endOffset(0);
    if ((await log.append(0, records[0])) !== end) {
      throw new Error('an append has not the offset after the last');
    }
    return { texts, damage: log.damage().length };
  } finally {
    await log.close();
  }
}

const isRefusal = refusalOf('corrupt');

/** Makes the checksum of each record, and that of the header, match the present bytes. */
function mendFile(input: Buffer): Buffer {
  const bytes = Buffer.from(input);
  if (bytes.length >= fileHeaderBytes) bytes.writeUInt32LE(crc32c(bytes, 0, 28), 28);
  const fileSalt = bytes.length >= fileHeaderBytes ? bytes.readUInt32LE(24) : 0;
  for (let at = fileHeaderBytes; at + 48 <= bytes.length;) {
    const end = at + 48 + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) break;
    bytes.writeUInt32LE(crc32c(bytes, at + 4, end, fileSalt), at);
    at = end;
  }
  return bytes;
}

function batch(): Buffer {
  const writer = new KafkaBytesWriter(batchBytes(records));
  writeBatch(writer, records, { partition: 0, nowMs: 1_768_000_000_000 });
  return writer.bytes;
}

/** Makes the checksum of a batch match its present bytes. */
function mendBatch(input: Buffer): Buffer {
  if (input.length < 61) return input;
  const bytes = Buffer.from(input);
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
}

const topic = 'loki';
const calls = [
  metadataCall(topic),
  produceCall(topic, 0, records, { nowMs: 0, timeoutMs: 1 }),
  fetchCall(topic, [{ partition: 0, offset: 0 }], { waitMs: 0, bytesMax: 1, partitionBytesMax: 1 }),
  offsetsCall(topic, [0], 'end'),
];
const text = (value: string) => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)]);
const numbers = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const setBytes = () => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(batch().length);
  return Buffer.concat([length, batch()]);
};
/** An answer for each call, after a byte that names the call. */
const answers = () => [
  Buffer.concat([
    numbers('00 00000000 00000001 00000001'),
    text('h'),
    numbers('00002384 ffff ffff 00000001 00000001 0000'),
    text(topic),
    numbers('00 00000001 0000 00000000 00000001 00000001 00000001 00000001 00000001 00000000'),
  ]),
  Buffer.concat([
    numbers('01 00000001'),
    text(topic),
    numbers('00000001 00000000 0000 0000000000000005 ffffffffffffffff 0000000000000000 00000000'),
  ]),
  Buffer.concat([
    numbers('02 00000000 0000 00000000 00000001'),
    text(topic),
    numbers('00000001 00000000 0000 0000000000000004 0000000000000004 0000000000000000 ffffffff ffffffff'),
    setBytes(),
  ]),
  Buffer.concat([
    numbers('03 00000000 00000001'),
    text(topic),
    numbers('00000001 00000000 0000 ffffffffffffffff 0000000000000009 00000000'),
  ]),
];

export const targets: readonly FuzzTarget[] = [
  {
    name: 'log-file',
    shape: 'bytes',
    corpus: () => [logFile(), logFile().subarray(0, fileHeaderBytes)],
    mend: mendFile,
    isRefusal,
    run: async (input) => (await readLog(input)).texts.length,
    limitBytes: 32 * 2 ** 20,
  },
  {
    name: 'log-record',
    shape: 'bytes',
    corpus: () => [logFile()],
    mend: mendFile,
    isRefusal: () => false,
    run: (input) => {
      const header = headerOf(input, { partition: 0, firstOffset: 0 });
      if (!header) return 'no header';
      findRecord(input, 0, { offsetFloor: 0, salt: header.salt });
      return parseRecord(input, fileHeaderBytes, header.salt)?.payload.length ?? 'no record';
    },
  },
  {
    name: 'log-identity',
    shape: 'text',
    corpus: () => [`${'ab'.repeat(16)}\n`],
    isRefusal,
    run: async (input) => {
      const identity = await readLogIdentity(diskWith('identity', input).client(), new Prng(1));
      if (!/^[0-9a-f]{32}$/.test(identity)) throw new Error('no identity');
    },
  },
  {
    name: 'kafka-batches',
    shape: 'bytes',
    corpus: () => [batch(), Buffer.concat([batch(), batch()])],
    mend: mendBatch,
    isRefusal: () => false,
    // Damage is reported with its offsets, and reading continues after it.
    run: (input) => {
      const { values, nextOffset } = readBatches(input, 0);
      for (const { value } of values) if (value) parseFrame(value, 0);
      if (!(nextOffset >= 0)) throw new Error(`the next offset is ${nextOffset}`);
      return values.length;
    },
  },
  {
    name: 'kafka-answers',
    shape: 'bytes',
    corpus: answers,
    isRefusal: (error) => error instanceof KafkaBytesError,
    run: (input) => {
      const answer = calls[(input[0] ?? 0) % calls.length].decode(input.subarray(1));
      return answer.partitions.length;
    },
  },
];

export const goldenFiles: readonly GoldenFile[] = [
  {
    name: 'log-file',
    bytes: logFile,
    isRefusal,
    read: async (bytes) => {
      const { texts, damage } = await readLog(bytes);
      // A damaged last record looks like an incomplete write; any other damage is reported.
      const isTold = damage > 0 || texts.length >= records.length - 1;
      if (bytes.length === logFile().length && !isTold) throw new Error('records are lost in silence');
      return texts;
    },
    recordEnds: () => {
      let end = fileHeaderBytes;
      return records.map((record) => (end += framedBytes(record)));
    },
    // The first record confirms the salt.
    spareBytes: fileHeaderBytes,
  },
  {
    name: 'kafka-frame',
    bytes: () => {
      const { values } = readBatches(batch(), 0);
      return Buffer.from(values[1].value!);
    },
    isRefusal: (error) => error instanceof KafkaBytesError,
    read: (bytes) => {
      const frame = parseFrame(bytes, 0);
      if (typeof frame === 'string') throw new KafkaBytesError(frame);
      return [`${frame.writerId} ${frame.sequence} ${Buffer.from(frame.payload).toString('hex')}`];
    },
  },
];
