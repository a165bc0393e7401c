import { LokiError } from '@loki/model';
import { decodeJsonFast } from './decode-json-fast.ts';
import { labelTextOf } from './label-text.ts';
import { JsonArray, JsonCursor, JsonObject, type JsonValue } from './json-cursor.ts';
import type { PushRows } from './push-rows.ts';
import type { StreamLookup } from './stream-cache.ts';

const streamsType = 'loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ';

/** What is wrong with a value inside a stream, in the words of the Go library jsonparser. */
const malformedString = `Value is string, but can't find closing '"' symbol`;
const malformedValue = "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol";
const malformedObject = "Value looks like object, but can't find closing '}' symbol";
const malformedArray = "Value is array, but can't find closing ']' symbol";
const overflow = 'Value is number, but overflowed while parsing';

/**
 * Decodes `{"streams":[{"stream":{..},"values":[["ns","line",{..}]]}]}` into `rows`.
 *
 * The usual shape goes through a byte-level reader. Anything it does not expect (an escape in a key, a number where
 * text should be, a syntax error) starts over with the reader below, which is slow, takes whatever Loki takes, and
 * says what is wrong in the same words.
 */
export function decodeJsonPush(body: Buffer, rows: PushRows, streams: StreamLookup): void {
  if (decodeJsonFast(body, rows, streams)) return;
  decodeJsonSlow(body, rows, streams);
}

/** The complete reader; also the oracle of the fast one. */
export function decodeJsonSlow(body: Buffer, rows: PushRows, streams: StreamLookup): void {
  rows.start(body, streams);
  if (body.length === 0) throw new LokiError('badRequest', 'EOF');
  const cursor = new JsonCursor(body);
  if (!cursor.objectStart()) return;
  do {
    const name = cursor.fieldName();
    try {
      if (name.toLowerCase() === 'streams') decodeStreams(cursor, rows, streams);
      else cursor.value();
    } catch (error) {
      if (name.toLowerCase() !== 'streams' || !(error instanceof LokiError)) throw error;
      throw new LokiError(error.code, streamsType + error.message, { cause: error });
    }
  } while (!cursor.objectEnd());
}

function decodeStreams(cursor: JsonCursor, rows: PushRows, streams: StreamLookup): void {
  const start = cursor.token();
  if (start === 0x6e) {
    cursor.at--;
    cursor.value();
    return;
  }
  if (start !== 0x5b)
    throw cursor.fault('decode slice', `expect [ or n, but found ${String.fromCharCode(start)}`);
  if (cursor.token() === 0x5d) return;
  cursor.at--;
  for (;;) {
    const stream = cursor.value();
    const problem = decodeStream(stream, rows, streams);
    if (problem !== undefined) throw cursor.fault('unmarshalerDecoder', problem);
    const next = cursor.token();
    if (next === 0x2c) continue;
    if (next !== 0x5d) throw cursor.fault('decode slice', `expect ], but found ${String.fromCharCode(next)}`);
    return;
  }
}

/** @returns what is wrong with the stream, undefined when nothing is */
function decodeStream(stream: JsonValue, rows: PushRows, streams: StreamLookup): string | undefined {
  if (!(stream instanceof JsonObject)) return malformedObject;
  let text = '{}';
  rows.startStream();
  for (const [name, value] of stream.fields) {
    if (name === 'stream') {
      if (!(value instanceof JsonObject)) return malformedObject;
      text = labelTextOf(value);
    } else if (name === 'values' && value !== null) {
      if (!(value instanceof JsonArray)) return malformedArray;
      for (const entry of value.items) {
        const problem = decodeEntry(entry, rows);
        if (problem !== undefined) return problem;
      }
    }
  }
  rows.endResolved(streams.ofText(text));
  return undefined;
}

/** Timestamp, line and metadata stand by place; what follows is ignored, what is missing is empty. */
function decodeEntry(entry: JsonValue, rows: PushRows): string | undefined {
  if (!(entry instanceof JsonArray)) return malformedArray;
  const [time, line, metadata] = entry.items;
  if (typeof time !== 'string' || !/^-?[0-9]+$/.test(time)) return malformedValue;
  const timestampNs = BigInt(time);
  if (BigInt.asIntN(64, timestampNs) !== timestampNs) return overflow;
  if (line !== undefined && typeof line !== 'string') return malformedString;
  if (metadata !== undefined) {
    if (!(metadata instanceof JsonObject)) return malformedObject;
    for (const [name, value] of metadata.fields) {
      if (typeof value !== 'string') return malformedString;
      rows.addPair(name, value);
    }
  }
  const nanos = ((timestampNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  rows.addTextEntry(Number((timestampNs - nanos) / 1_000_000_000n), Number(nanos), line ?? '');
  return undefined;
}
