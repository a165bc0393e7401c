/** Decodes pushes of `/api/prom/push`: step *decode* of a written line. */
import { parseGoTime } from '@loki/go';
import { LokiError } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { JsonCursor, within } from '../json/json-iterator-cursor.ts';
import type { PushRows } from '../rows/push-rows.ts';
import type { StreamLookup } from '../streams/stream-cache.ts';

/** Go's zero time, the first second of the year 1: too old to be stored. */
const zeroTime = { seconds: -62_135_596_800, nanos: 0 };

interface LegacyEntry {
  seconds: number;
  nanos: number;
  line: string;
  metadata: LabelPair[];
}

/**
 * Decodes the body of `/api/prom/push`: `{"streams":[{"labels":"{..}","entries":[{"ts":"RFC 3339","line":"x",
 * "structuredMetadata":[{"name":"n","value":"v"}]}]}]}`.
 */
export function decodeLegacyPush(
  body: Buffer,
  rows: PushRows,
  streams: StreamLookup,
  cutText?: string,
): void {
  rows.start(body, streams);
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const cursor = new JsonCursor(body, cutText);
  structure(cursor, 'logproto.PushRequest', {
    streams: ['Streams', () => list(cursor, 'logproto.Stream', () => decodeStream(cursor, rows, streams))],
    format: ['Format', () => cursor.text()],
  });
}

function decodeStream(cursor: JsonCursor, rows: PushRows, streams: StreamLookup): void {
  let labels = '';
  let entries: LegacyEntry[] = [];
  structure(cursor, 'logproto.Stream', {
    labels: ['Labels', () => (labels = cursor.text())],
    entries: [
      'Entries',
      () => {
        entries = [];
        list(cursor, 'logproto.Entry', () => entries.push(decodeEntry(cursor)));
      },
    ],
  });
  rows.startStream();
  for (const { seconds, nanos, line, metadata } of entries) {
    for (const [name, value] of metadata) rows.addPair(name, value);
    rows.addTextEntry(seconds, nanos, line);
  }
  rows.endResolved(streams.ofText(labels));
}

function decodeEntry(cursor: JsonCursor): LegacyEntry {
  const entry: LegacyEntry = { ...zeroTime, line: '', metadata: [] };
  structure(cursor, 'logproto.Entry', {
    ts: ['Timestamp', () => Object.assign(entry, time(cursor))],
    line: ['Line', () => (entry.line = cursor.text())],
    structuredmetadata: [
      'StructuredMetadata',
      () => {
        entry.metadata = [];
        list(cursor, 'logproto.LabelAdapter', () => entry.metadata.push(decodePair(cursor)));
      },
    ],
  });
  return entry;
}

function decodePair(cursor: JsonCursor): LabelPair {
  let name = '';
  let value = '';
  structure(cursor, 'logproto.LabelAdapter', {
    name: ['Name', () => (name = cursor.text())],
    value: ['Value', () => (value = cursor.text())],
  });
  return [name, value];
}

/** Fields by their lower-case names: the name in error texts, and the function that reads the value. */
type Fields = Readonly<Record<string, readonly [shown: string, read: () => unknown]>>;

/** Reads the known fields of an object and skips others; `null` has none. */
function structure(cursor: JsonCursor, type: string, fields: Fields): void {
  if (!cursor.objectStart()) return;
  within(`${type}.`, () => {
    do {
      const name = cursor.fieldName().toLowerCase();
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (field) within(`${field[0]}: `, field[1]);
      else cursor.range();
    } while (!cursor.objectEnd());
  });
}

function list(cursor: JsonCursor, type: string, readItem: () => void): void {
  within(`[]${type}: `, () => cursor.items(readItem));
}

function time(cursor: JsonCursor): { readonly seconds: number; readonly nanos: number } {
  const { start, end } = cursor.range();
  const text = cursor.bytes.toString('utf8', start, end);
  if (text === 'null') return zeroTime;
  if (!text.startsWith('"')) {
    throw cursor.fault('unmarshalerDecoder', 'Time.UnmarshalJSON: input is not a JSON string');
  }
  const parsed = parseGoTime(text.slice(1, -1));
  if ('problem' in parsed) throw cursor.fault('unmarshalerDecoder', parsed.problem);
  return parsed;
}
