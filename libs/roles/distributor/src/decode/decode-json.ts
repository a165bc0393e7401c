/**
 * Decodes JSON pushes: the fast reader first, the complete one for everything else. Step *decode* of a
 * written line.
 */
import { jsonErrors } from '@loki/go';
import { LokiError, nsPerSecond } from '@loki/model';
import { JsonCursor, within } from '../json/json-iterator-cursor.ts';
import type { JsonRange } from '../json/json-iterator-cursor.ts';
import { eachField, eachItem, textOf } from '../json/jsonparser-walk.ts';
import type { Problem, RawValue } from '../json/jsonparser-walk.ts';
import { labelTextOfJson } from '../json/label-text.ts';
import type { PushRows } from '../rows/push-rows.ts';
import type { StreamLookup } from '../streams/stream-cache.ts';
import { decodeJsonFast } from './decode-json-fast.ts';

const requestType = 'loghttp.PushRequest.';
const streamsType = 'Streams: []loghttp.LogProtoStream: ';

const overflow = 'Value is number, but overflowed while parsing';

/** Go's zero time: the first second of the year 1. */
const zeroTimeSeconds = -62_135_596_800;

/**
 * Decodes `{"streams":[{"stream":{..},"values":[["ns","line",{..}]]}]}` into `rows`.
 *
 * The fast reader handles the usual shape. Anything it does not expect (an escape in a key, a number in place
 * of text, a syntax error) starts over with the complete reader, which is slow, accepts all that Loki
 * accepts, and reports faults in Loki's words.
 *
 * @param cutText the fault of a body that ends too soon
 */
export function decodeJsonPush(body: Buffer, rows: PushRows, streams: StreamLookup, cutText?: string): void {
  if (decodeJsonFast(body, rows, streams)) return;
  decodeJsonSlow(body, rows, streams, cutText);
}

/** The complete reader; also the oracle of the fast one. */
export function decodeJsonSlow(body: Buffer, rows: PushRows, streams: StreamLookup, cutText?: string): void {
  rows.start(body, streams);
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const cursor = new JsonCursor(body, cutText);
  if (!cursor.objectStart()) return;
  within(requestType, () => {
    do {
      // Names are compared without regard to case; of two fields with one name the last counts.
      if (cursor.fieldName().toLowerCase() !== 'streams') cursor.range();
      else {
        rows.start(body, streams);
        within(streamsType, () => decodeStreams(cursor, rows, streams));
      }
    } while (!cursor.objectEnd());
  });
}

function decodeStreams(cursor: JsonCursor, rows: PushRows, streams: StreamLookup): void {
  cursor.items(() => {
    const problem = decodeStream(cursor.bytes, cursor.range(), rows, streams);
    if (problem !== undefined) throw cursor.fault('unmarshalerDecoder', problem);
  });
}

function decodeStream(bytes: Buffer, stream: JsonRange, rows: PushRows, streams: StreamLookup): Problem {
  let text = '{}';
  rows.startStream();
  const problem = eachField(bytes, stream, (name, value) => {
    if (name === 'stream') {
      const labels = labelTextOfJson(bytes, value);
      if ('problem' in labels) return labels.problem;
      text = labels.text;
    } else if (name === 'values' && value.kind !== 'null') {
      return eachItem(bytes, value, (entry) =>
        entry.kind === 'null' ? undefined : decodeEntry(bytes, entry, rows),
      );
    }
    return undefined;
  });
  if (problem === undefined) rows.endResolved(streams.ofText(text));
  return problem;
}

const backslash = 0x5c;

/** Timestamp, line and metadata have fixed places; further elements are ignored, missing ones are empty. */
function decodeEntry(bytes: Buffer, entry: RawValue, rows: PushRows): Problem {
  let place = 0;
  let seconds = zeroTimeSeconds;
  let nanos = 0;
  let line: string | undefined = '';
  /** A line without escapes is stored as it is, whatever its bytes are. */
  let plainLine: RawValue | undefined;
  const problem = eachItem(bytes, entry, (item) => {
    switch (place++) {
      case 0: {
        const timestampNs = item.kind === 'string' ? integerOf(bytes, item) : jsonErrors.value;
        if (typeof timestampNs === 'string') return timestampNs;
        const remainder = ((timestampNs % nsPerSecond) + nsPerSecond) % nsPerSecond;
        seconds = Number((timestampNs - remainder) / nsPerSecond);
        nanos = Number(remainder);
        return undefined;
      }
      case 1:
        if (item.kind !== 'string') return jsonErrors.string;
        if (!bytes.subarray(item.start, item.end).includes(backslash)) {
          plainLine = item;
          return undefined;
        }
        line = textOf(bytes, item.start, item.end);
        return line === undefined ? jsonErrors.value : undefined;
      case 2:
        return item.kind === 'object' ? decodeMetadata(bytes, item, rows) : jsonErrors.object;
      default:
        return undefined;
    }
  });
  if (problem !== undefined) return problem;
  if (plainLine) rows.addEntry(seconds, nanos, plainLine.start, plainLine.end);
  else rows.addTextEntry(seconds, nanos, line);
  return undefined;
}

function decodeMetadata(bytes: Buffer, metadata: RawValue, rows: PushRows): Problem {
  return eachField(bytes, metadata, (name, value) => {
    if (value.kind !== 'string') return jsonErrors.string;
    const text = textOf(bytes, value.start, value.end);
    if (text === undefined) return jsonErrors.value;
    rows.addPair(name, text);
    return undefined;
  });
}

/** The value of an int64 in decimal digits, or its fault. A sign alone is zero. */
function integerOf(bytes: Buffer, { start, end }: RawValue): bigint | string {
  const text = bytes.toString('latin1', start, end);
  if (!/^(?:[0-9]+|-[0-9]*)$/.test(text)) return jsonErrors.value;
  // A timestamp has no more digits, apart from leading zeros.
  if (text.length > 100) return overflow;
  const value = BigInt(text === '-' ? 0 : text);
  return BigInt.asIntN(64, value) === value ? value : overflow;
}
