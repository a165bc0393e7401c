/** Records as Kafka's record batches, and our frame inside them (FORMAT.md). */
import { crc32c } from '@loki/bytes';
import type { LogRecord } from '@loki/ports';
import { getU53, putU53 } from './format.ts';
import { KafkaBytesError, KafkaBytesReader, varintBytes } from './kafka-bytes.ts';
import type { KafkaBytesWriter } from './kafka-bytes.ts';

/** FORMAT.md beside this library draws these bytes. "LKR" and a version, read as a little-endian number. */
const frameMagic = 0x01_52_4b_4c;
/** Bytes before the payload in the value of a Kafka record. */
export const frameHeaderBytes = 36;
/** Bytes of Kafka's record batch, version 2, before its first record. */
const batchHeaderBytes = 61;
/** Most bytes that Kafka adds to one record's value: lengths, deltas, no key, no headers. */
const recordOverheadBytesMax = 5 + 1 + 1 + 5 + 1 + 5 + 1;

const compressionMask = 0x07;
const controlFlag = 0x20;

/** Bytes of a record's value. */
export function frameBytes(record: LogRecord): number {
  return frameHeaderBytes + record.payload.length;
}

/** An upper bound of the bytes of a batch, to which the broker's limit applies. */
export function batchBytesMax(valueBytes: number, records: number): number {
  return batchHeaderBytes + valueBytes + records * recordOverheadBytesMax;
}

/** The exact bytes of `records` as one batch. */
export function batchBytes(records: readonly LogRecord[]): number {
  let bytes = batchHeaderBytes;
  for (let i = 0; i < records.length; i++) {
    const body = recordBodyBytes(i, frameBytes(records[i]));
    bytes += varintBytes(body) + body;
  }
  return bytes;
}

function recordBodyBytes(index: number, valueBytes: number): number {
  // attributes, timestamp delta 0, offset delta, no key, value, no headers
  return 1 + 1 + varintBytes(index) + 1 + varintBytes(valueBytes) + valueBytes + 1;
}

/** The place of a batch among those of an idempotent producer: brokers refuse to leave one out. */
export interface BatchOrder {
  readonly producer: { readonly id: number; readonly epoch: number };
  /** Number of its first record in the partition, from 0. */
  readonly firstSequence: number;
}

/** Writes `records` as one batch of Kafka's format, uncompressed: payloads are compressed already. */
export function writeBatch(
  writer: KafkaBytesWriter,
  records: readonly LogRecord[],
  place: { partition: number; nowMs: number; order?: BatchOrder },
): void {
  const start = writer.position;
  writer.i64(0).i32(batchBytes(records) - 12);
  writer.i32(-1).i8(2);
  const crcAt = writer.reserve(4);
  const coveredFrom = writer.position;
  writer.i16(0).i32(records.length - 1);
  writer.i64(place.nowMs).i64(place.nowMs);
  const { producer, firstSequence = -1 } = place.order ?? {};
  writer.i64(producer?.id ?? -1).i16(producer?.epoch ?? -1);
  writer.i32(firstSequence).i32(records.length);
  for (let i = 0; i < records.length; i++) {
    const valueBytes = frameBytes(records[i]);
    writer.varint(recordBodyBytes(i, valueBytes)).i8(0).varint(0).varint(i).varint(-1).varint(valueBytes);
    writeFrame(writer, records[i], place.partition);
    writer.varint(0);
  }
  const { bytes } = writer;
  bytes.writeUInt32BE(crc32c(bytes, coveredFrom, writer.position), crcAt);
  if (writer.position - start !== batchBytes(records)) {
    throw new Error('a batch has another size than counted');
  }
}

function writeFrame(writer: KafkaBytesWriter, record: LogRecord, partition: number): void {
  const { bytes } = writer;
  const at = writer.reserve(frameHeaderBytes);
  bytes.writeUInt32LE(frameMagic, at + 4);
  bytes.writeUInt32LE(partition, at + 8);
  bytes.write(record.writerId, at + 12, 16, 'hex');
  putU53(bytes, at + 28, record.sequence);
  writer.raw(record.payload);
  bytes.writeUInt32LE(crc32c(bytes, at + 4, writer.position), at);
}

/** Parses the record in a value, with its payload as a view; or returns the fault. */
export function parseFrame(value: Buffer, partition: number): LogRecord | string {
  if (value.length < frameHeaderBytes) return 'shorter than a record';
  if (value.readUInt32LE(4) !== frameMagic) return 'not a record of this program, or of an unknown version';
  if (crc32c(value, 4) !== value.readUInt32LE(0)) return 'fails its checksum';
  if (value.readUInt32LE(8) !== partition) return `written for partition ${value.readUInt32LE(8)}`;
  return {
    writerId: value.toString('hex', 12, 28),
    sequence: getU53(value, 28),
    payload: value.subarray(frameHeaderBytes),
  };
}

/** The outcome of a fetch at one offset: a value (a view), or the reason for its absence. */
export interface FetchedValue {
  readonly offset: number;
  readonly value: Buffer | undefined;
  readonly fault: string | undefined;
}

/**
 * The values in the batches of a fetch answer, from `fromOffset` on. Control batches have no values; an
 * incomplete batch at the end is left for the next fetch.
 *
 * @returns `nextOffset`: where the next fetch starts; it may exceed the last value's offset
 */
export function readBatches(
  bytes: Buffer,
  fromOffset: number,
): { values: FetchedValue[]; nextOffset: number } {
  const values: FetchedValue[] = [];
  let nextOffset = fromOffset;
  for (let at = 0; at + batchHeaderBytes <= bytes.length;) {
    const baseOffset = Number(bytes.readBigInt64BE(at));
    const length = bytes.readInt32BE(at + 8);
    const end = at + 12 + length;
    if (length < batchHeaderBytes - 12 || end > bytes.length) break;
    const batch = readBatch(bytes.subarray(at, end), baseOffset);
    for (const value of batch.values) if (value.offset >= fromOffset || value.fault) values.push(value);
    nextOffset = Math.max(nextOffset, batch.nextOffset);
    at = end;
  }
  return { values, nextOffset };
}

function readBatch(bytes: Buffer, baseOffset: number): { values: FetchedValue[]; nextOffset: number } {
  const attributes = bytes.readInt16BE(21);
  const nextOffset = baseOffset + Math.max(0, bytes.readInt32BE(23)) + 1;
  const wholeBatch = (fault: string): FetchedValue[] => [{ offset: baseOffset, value: undefined, fault }];
  if (bytes.readInt8(16) !== 2) {
    return { values: wholeBatch('an old message format'), nextOffset: baseOffset + 1 };
  }
  if ((attributes & (controlFlag | compressionMask)) !== 0) {
    // The batch is none of this log: Kafka's own control batch, which is skipped silently, another program's,
    // or damage.
    if (crc32c(bytes, 21) !== bytes.readUInt32BE(17)) {
      return { values: wholeBatch('a damaged batch'), nextOffset };
    }
    if ((attributes & controlFlag) !== 0) return { values: [], nextOffset };
    return { values: wholeBatch('compressed by another program'), nextOffset };
  }
  const values: FetchedValue[] = [];
  const reader = new KafkaBytesReader(bytes);
  reader.skip(batchHeaderBytes - 4);
  try {
    const count = reader.i32();
    for (let i = 0; i < count; i++) values.push(readRecord(reader, baseOffset, i));
    if (reader.remaining > 0) throw new KafkaBytesError('a batch holds more records than its header states');
    // This topic is never compacted, so offsets have no gaps; a header that skips some would lose records.
    if (count > 0 && baseOffset + count !== nextOffset) return { values, nextOffset: baseOffset + count };
  } catch (error) {
    // The batch was damaged in transit or on the broker's disk: reading continues at the next batch.
    const fault = error instanceof Error ? error.message : String(error);
    const offset = baseOffset + values.length;
    if (offset < nextOffset) values.push({ offset, value: undefined, fault });
  }
  return { values, nextOffset: Math.max(nextOffset, baseOffset + values.length) };
}

function readRecord(reader: KafkaBytesReader, baseOffset: number, index: number): FetchedValue {
  const length = reader.varint();
  const end = reader.position + length;
  reader.skip(1);
  reader.skipVarlong();
  const place = reader.varint();
  const keyBytes = reader.varint();
  if (keyBytes > 0) reader.skip(keyBytes);
  const valueBytes = reader.varint();
  const value = valueBytes < 0 ? undefined : reader.view(valueBytes);
  reader.skip(end - reader.position);
  if (place !== index) {
    throw new KafkaBytesError(`record ${index} of a batch says that it is record ${place}`);
  }
  return { offset: baseOffset + index, value, fault: value ? undefined : 'no value' };
}
