import { LokiError } from '@loki/model';
import { JsonCursor } from './json-cursor.ts';
import { JsonArray, JsonObject, type JsonValue } from './json-value.ts';
import type { PushRows } from './push-rows.ts';
import type { StreamLookup } from './stream-cache.ts';

const streamsType = 'logproto.PushRequest.Streams: []logproto.Stream: ';

/** Decodes the body of `/api/prom/push`: `{"streams":[{"labels":"{..}","entries":[{"ts":"RFC 3339","line":"x"}]}]}`. */
export function decodeLegacyPush(body: Buffer, rows: PushRows, streams: StreamLookup): void {
  rows.start(body, streams);
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const cursor = new JsonCursor(body);
  if (!cursor.objectStart()) return;
  do {
    const name = cursor.fieldName();
    const value = cursor.value();
    if (name.toLowerCase() !== 'streams' || value === null) continue;
    if (!(value instanceof JsonArray)) throw fault(cursor, 'decode slice', 'expect [ or n');
    for (const stream of value.items) decodeStream(stream, cursor, rows, streams);
  } while (!cursor.objectEnd());
}

function decodeStream(stream: JsonValue, cursor: JsonCursor, rows: PushRows, streams: StreamLookup): void {
  if (!(stream instanceof JsonObject)) throw fault(cursor, 'readObjectStart', 'expect { or n');
  const labels = stream.get('labels') ?? '';
  const entries = stream.get('entries') ?? new JsonArray([]);
  if (typeof labels !== 'string') throw fault(cursor, 'ReadString', 'expects " or n');
  if (!(entries instanceof JsonArray)) throw fault(cursor, 'decode slice', 'expect [ or n');
  rows.startStream();
  for (const entry of entries.items) {
    if (!(entry instanceof JsonObject)) throw fault(cursor, 'readObjectStart', 'expect { or n');
    const line = entry.get('line') ?? '';
    if (typeof line !== 'string') throw fault(cursor, 'ReadString', 'expects " or n');
    const timestampNs = parseTime(entry.get('ts') ?? null);
    const nanos = ((timestampNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    rows.addTextEntry(Number((timestampNs - nanos) / 1_000_000_000n), Number(nanos), line);
  }
  rows.endResolved(streams.ofText(labels));
}

const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9})\d*)?(Z|([+-])(\d{2}):(\d{2}))$/;

/** RFC 3339 with up to nanoseconds. A missing time is the year 1, as Go's zero time, and thus too old. */
function parseTime(value: JsonValue): bigint {
  if (value === null) return -62135596800n * 1_000_000_000n;
  const found = typeof value === 'string' ? rfc3339.exec(value) : null;
  if (!found) throw badTime(value);
  const [, year, month, day, hour, minute, second, fraction = '', , sign, offsetHour, offsetMinute] = found;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  const isReal =
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60;
  if (!isReal) throw badTime(value);
  const offsetMinutes = sign ? (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1) : 0;
  const seconds = BigInt(date.getTime() / 1000 - offsetMinutes * 60);
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, '0') || '0');
}

function badTime(value: JsonValue): LokiError {
  const text = typeof value === 'string' ? JSON.stringify(value) : 'null';
  return new LokiError(
    'badRequest',
    `${streamsType}logproto.Stream.Entries: []logproto.Entry: logproto.Entry.Timestamp: unmarshalerDecoder: parsing time ${JSON.stringify(text)} as "\\"2006-01-02T15:04:05Z07:00\\"": cannot parse it`,
  );
}

function fault(cursor: JsonCursor, operation: string, message: string): LokiError {
  const error = cursor.fault(operation, message);
  return new LokiError(error.code, streamsType + error.message);
}
