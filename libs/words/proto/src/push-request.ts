/** Decodes push requests (protobuf): step *decode* of a written line. */
import { ProtoError, WireCursor, wireBytes, wireVarint, wrongWireType } from './wire.ts';

/**
 * Receives a push as it is decoded, in wire order. Texts are ranges of the request's bytes. Metadata comes
 * before its entry; labels come last, because the wire may have them anywhere in the stream.
 */
export interface PushSink {
  startStream(): void;
  addMetadata(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void;
  addEntry(seconds: number, nanos: number, lineStart: number, lineEnd: number): void;
  endStream(labelsStart: number, labelsEnd: number): void;
}

/** 0001-01-01 and 9999-12-31 23:59:59 UTC in Unix seconds: what google.protobuf.Timestamp may hold. */
const secondsMin = -62135596800;
const secondsMax = 253402300799;

/**
 * Reads a `logproto.PushRequest` (already decompressed) into `sink`, without an object per entry.
 *
 * O(bytes of headers): line bytes are not touched. Throws ProtoError; the sink may then hold a part of the
 * request, which the caller drops. Field numbers: PushRequest{1 streams}, Stream{1 labels, 2 entries},
 * Entry{1 timestamp, 2 line, 3 structuredMetadata}, LabelPair{1 name, 2 value}. Other fields are skipped.
 */
export function decodePushRequest(bytes: Uint8Array, sink: PushSink): void {
  const cursor = new WireCursor(bytes);
  const end = bytes.length;
  while (cursor.at < end) {
    const tag = cursor.tag(end, 'PushRequest');
    if (tag >>> 3 === 1) {
      if (tag % 8 !== wireBytes) throw wrongWireType(tag % 8, 'Streams');
      decodeStream(cursor, cursor.lengthEnd(end), sink);
    } else {
      cursor.skip(tag % 8, end);
    }
  }
}

function decodeStream(cursor: WireCursor, end: number, sink: PushSink): void {
  let labelsStart = 0;
  let labelsEnd = 0;
  sink.startStream();
  while (cursor.at < end) {
    const tag = cursor.tag(end, 'StreamAdapter');
    const field = tag >>> 3;
    if (field === 2) {
      if (tag % 8 !== wireBytes) throw wrongWireType(tag % 8, 'Entries');
      decodeEntry(cursor, cursor.lengthEnd(end), sink);
    } else if (field === 1) {
      if (tag % 8 !== wireBytes) throw wrongWireType(tag % 8, 'Labels');
      labelsEnd = cursor.lengthEnd(end);
      labelsStart = cursor.at;
      cursor.at = labelsEnd;
    } else {
      cursor.skip(tag % 8, end);
    }
  }
  sink.endStream(labelsStart, labelsEnd);
}

function decodeEntry(cursor: WireCursor, end: number, sink: PushSink): void {
  let seconds = 0;
  let nanos = 0;
  let lineStart = 0;
  let lineEnd = 0;
  while (cursor.at < end) {
    const tag = cursor.tag(end, 'EntryAdapter');
    const field = tag >>> 3;
    if (field === 0 || field > 3) {
      cursor.skip(tag % 8, end);
      continue;
    }
    if (tag % 8 !== wireBytes) {
      throw wrongWireType(tag % 8, field === 1 ? 'Timestamp' : field === 2 ? 'Line' : 'StructuredMetadata');
    }
    const fieldEnd = cursor.lengthEnd(end);
    if (field === 2) {
      lineStart = cursor.at;
      lineEnd = fieldEnd;
      cursor.at = fieldEnd;
    } else if (field === 3) {
      decodeMetadata(cursor, fieldEnd, sink);
    } else {
      while (cursor.at < fieldEnd) {
        const timeTag = cursor.tag(fieldEnd, 'Timestamp');
        if (timeTag === 8) seconds = cursor.int64Number(fieldEnd);
        else if (timeTag === 16) nanos = cursor.int64Number(fieldEnd) | 0;
        else if (timeTag >>> 3 === 1) throw wrongWireType(timeTag % 8, 'Seconds');
        else if (timeTag >>> 3 === 2) throw wrongWireType(timeTag % 8, 'Nanos');
        else cursor.skip(timeTag % 8, fieldEnd);
      }
    }
  }
  if (!(seconds >= secondsMin && seconds <= secondsMax)) {
    throw new ProtoError(`timestamp: seconds:${seconds}: not between 0001-01-01 and 9999-12-31`);
  }
  if (nanos < 0 || nanos > 999_999_999) {
    throw new ProtoError(`timestamp: nanos:${nanos}: nanos not in range [0, 1e9)`);
  }
  sink.addEntry(seconds, nanos, lineStart, lineEnd);
}

function decodeMetadata(cursor: WireCursor, end: number, sink: PushSink): void {
  let nameStart = 0;
  let nameEnd = 0;
  let valueStart = 0;
  let valueEnd = 0;
  while (cursor.at < end) {
    const tag = cursor.tag(end, 'LabelPairAdapter');
    const field = tag >>> 3;
    if (field !== 1 && field !== 2) {
      cursor.skip(tag % 8, end);
      continue;
    }
    if (tag % 8 !== wireBytes) throw wrongWireType(tag % 8, field === 1 ? 'Name' : 'Value');
    const fieldEnd = cursor.lengthEnd(end);
    if (field === 1) {
      nameStart = cursor.at;
      nameEnd = fieldEnd;
    } else {
      valueStart = cursor.at;
      valueEnd = fieldEnd;
    }
    cursor.at = fieldEnd;
  }
  sink.addMetadata(nameStart, nameEnd, valueStart, valueEnd);
}

/** A push as values, for tests, tools and clients that encode one. */
interface PushRequestValue {
  readonly streams: readonly {
    readonly labels: string;
    readonly entries: readonly {
      readonly timestampNs: bigint;
      readonly line: string | Uint8Array;
      readonly metadata?: readonly (readonly [name: string, value: string])[];
    }[];
  }[];
}

/** The wire form of a push, uncompressed. Written for clarity, not for speed. */
export function encodePushRequest(push: PushRequestValue): Buffer {
  return Buffer.concat(
    push.streams.map((stream) =>
      bytesField(
        1,
        Buffer.concat([
          bytesField(1, Buffer.from(stream.labels)),
          ...stream.entries.map((entry) =>
            bytesField(
              2,
              Buffer.concat([
                bytesField(1, encodeTimestamp(entry.timestampNs)),
                bytesField(2, Buffer.from(entry.line as string)),
                ...(entry.metadata ?? []).map(([name, value]) =>
                  bytesField(
                    3,
                    Buffer.concat([bytesField(1, Buffer.from(name)), bytesField(2, Buffer.from(value))]),
                  ),
                ),
              ]),
            ),
          ),
        ]),
      ),
    ),
  );
}

function encodeTimestamp(timestampNs: bigint): Buffer {
  const nanos = ((timestampNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (timestampNs - nanos) / 1_000_000_000n;
  return Buffer.concat([varintField(1, seconds), varintField(2, nanos)]);
}

/** A length-delimited field. */
export function bytesField(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([uvarint(BigInt(field * 8 + wireBytes)), uvarint(BigInt(bytes.length)), bytes]);
}

/** A varint field; negative values take ten bytes. */
export function varintField(field: number, value: bigint): Buffer {
  return Buffer.concat([uvarint(BigInt(field * 8 + wireVarint)), uvarint(BigInt.asUintN(64, value))]);
}

function uvarint(value: bigint): Buffer {
  const out: number[] = [];
  let remaining = value;
  while (remaining > 0x7fn) {
    out.push(Number(remaining & 0x7fn) | 0x80);
    remaining >>= 7n;
  }
  out.push(Number(remaining));
  return Buffer.from(out);
}
