/** Decodes OTLP logs in JSON form: step *decode* of a written line. */
import { LokiError } from '@loki/model';
import { emptyOtlpRecord, OtlpArray, OtlpMap, otlpValueDepthMax } from '@loki/proto';
import type { OtlpAttribute, OtlpLogsSink, OtlpRecord, OtlpValue } from '@loki/proto';
import { JsonReader } from '../json/json-reader.ts';

/**
 * Reads OTLP's JSON form: names in lowerCamelCase (snake_case is understood too), 64-bit numbers as text or
 * numbers, ids as hex, unknown fields ignored. A value of another form is refused in the words of
 * OpenTelemetry's decoder in Go.
 */
export function decodeOtlpJson(body: Buffer, sink: OtlpLogsSink): void {
  const reader = new JsonReader(body);
  reader.fields((name) => {
    if (name === 'resourceLogs' || name === 'resource_logs') reader.items(() => resourceLogs(reader, sink));
    else reader.skip();
  });
}

interface Resource {
  attributes: OtlpAttribute[];
  droppedAttributesCount: number;
}

interface Scope extends Resource {
  name: string;
  version: string;
}

interface ScopeLogs {
  scope: Scope;
  readonly records: OtlpRecord[];
}

/**
 * Reads fields in any order; a sink receives each resource before its scopes, and each scope before its
 * records.
 */
function resourceLogs(reader: JsonReader, sink: OtlpLogsSink): void {
  let resource: Resource = { attributes: [], droppedAttributesCount: 0 };
  const scopes: ScopeLogs[] = [];
  reader.fields((name) => {
    if (name === 'resource') resource = resourceOf(reader);
    else if (name === 'scopeLogs' || name === 'scope_logs') {
      reader.items(() => scopes.push(scopeLogs(reader)));
    } else reader.skip();
  });
  sink.resource(resource);
  for (const { scope, records } of scopes) {
    sink.scope(scope);
    for (const record of records) sink.record(record);
  }
}

function resourceOf(reader: JsonReader): Resource {
  const resource: Resource = { attributes: [], droppedAttributesCount: 0 };
  reader.fields((name) => {
    if (!readAttributes(name, resource, reader)) reader.skip();
  });
  return resource;
}

function scopeLogs(reader: JsonReader): ScopeLogs {
  const logs: ScopeLogs = {
    scope: { name: '', version: '', attributes: [], droppedAttributesCount: 0 },
    records: [],
  };
  reader.fields((name) => {
    if (name === 'scope') logs.scope = scopeOf(reader);
    else if (name === 'logRecords' || name === 'log_records') {
      reader.items(() => logs.records.push(recordOf(reader)));
    } else reader.skip();
  });
  return logs;
}

function scopeOf(reader: JsonReader): Scope {
  const scope: Scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
  reader.fields((name) => {
    if (name === 'name') scope.name = reader.string();
    else if (name === 'version') scope.version = reader.string();
    else if (!readAttributes(name, scope, reader)) reader.skip();
  });
  return scope;
}

/** @returns false for another field, whose value the caller then reads */
function readAttributes(name: string, to: Resource, reader: JsonReader): boolean {
  if (name === 'attributes') reader.items(() => to.attributes.push(attribute(reader, 0)));
  else if (name === 'droppedAttributesCount' || name === 'dropped_attributes_count') {
    to.droppedAttributesCount = Number(reader.unsigned(32));
  } else return false;
  return true;
}

function recordOf(reader: JsonReader): OtlpRecord {
  const record = emptyOtlpRecord();
  const attributes: Resource = { attributes: [], droppedAttributesCount: 0 };
  reader.fields((name) => {
    switch (name) {
      case 'timeUnixNano':
      case 'time_unix_nano':
        record.timeNs = reader.unsigned(64);
        return;
      case 'observedTimeUnixNano':
      case 'observed_time_unix_nano':
        record.observedTimeNs = reader.unsigned(64);
        return;
      case 'severityNumber':
      case 'severity_number':
        record.severityNumber = reader.enumValue(severityNumber);
        return;
      case 'severityText':
      case 'severity_text':
        record.severityText = reader.string();
        return;
      case 'body':
        readBody(reader, record);
        return;
      case 'flags':
        record.flags = Number(reader.unsigned(32));
        return;
      case 'traceId':
      case 'trace_id':
        record.traceId = hexId(reader, 16);
        return;
      case 'spanId':
      case 'span_id':
        record.spanId = hexId(reader, 8);
        return;
      case 'eventName':
      case 'event_name':
        record.eventName = reader.string();
        return;
      default:
        if (!readAttributes(name, attributes, reader)) reader.skip();
    }
  });
  record.attributes = attributes.attributes;
  record.droppedAttributesCount = attributes.droppedAttributesCount;
  return record;
}

function severityNumber(name: string): number | undefined {
  if (name === 'SEVERITY_NUMBER_UNSPECIFIED') return 0;
  const named = /^SEVERITY_NUMBER_(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)([2-4]?)$/.exec(name);
  if (!named) return undefined;
  const base = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].indexOf(named[1]) * 4;
  return base + Number(named[2] || '1');
}

function attribute(reader: JsonReader, depth: number): OtlpAttribute {
  let key = '';
  let value: OtlpValue;
  reader.fields((name) => {
    if (name === 'key') key = reader.name();
    else if (name === 'value') value = anyValue(reader, depth);
    else reader.skip();
  });
  return { key, value };
}

/** The line of a record, nearly always text: without escapes it is stored as it is. */
function readBody(reader: JsonReader, record: OtlpRecord): void {
  record.body = undefined;
  record.lineStart = -1;
  reader.fields((name) => {
    const line = isStringValue(name) ? reader.plainRange() : undefined;
    if (line) {
      record.lineStart = line.start;
      record.lineEnd = line.end;
      return;
    }
    const read = valueReaders.get(name);
    if (read === undefined) return reader.skip();
    record.body = read(reader, 0);
    record.lineStart = -1;
  });
}

/** The last of several values counts. */
function anyValue(reader: JsonReader, depth: number): OtlpValue {
  if (depth > otlpValueDepthMax) throw new LokiError('badRequest', 'values nest too deep');
  let value: OtlpValue;
  reader.fields((name) => {
    const read = valueReaders.get(name);
    if (read === undefined) reader.skip();
    else value = read(reader, depth);
  });
  return value;
}

function isStringValue(name: string): boolean {
  return name === 'stringValue' || name === 'string_value';
}

type ValueReader = (reader: JsonReader, depth: number) => OtlpValue;

const valueReaders = new Map<string, ValueReader>(
  (
    [
      ['stringValue', 'string_value', (reader) => reader.string()],
      ['boolValue', 'bool_value', (reader) => reader.boolean()],
      ['intValue', 'int_value', (reader) => reader.signed(64)],
      ['doubleValue', 'double_value', (reader) => reader.double()],
      [
        'arrayValue',
        'array_value',
        (reader, depth) => new OtlpArray(listOf(reader, () => anyValue(reader, depth + 1))),
      ],
      [
        'kvlistValue',
        'kvlist_value',
        (reader, depth) => new OtlpMap(listOf(reader, () => attribute(reader, depth + 1))),
      ],
      ['bytesValue', 'bytes_value', base64],
    ] satisfies (readonly [camelCase: string, snakeCase: string, read: ValueReader])[]
  ).flatMap(([camelCase, snakeCase, read]) => [
    [camelCase, read],
    [snakeCase, read],
  ]),
);

/** `{"values":[…]}` */
function listOf<T>(reader: JsonReader, read: () => T): T[] {
  const list: T[] = [];
  reader.fields((name) => {
    if (name === 'values') reader.items(() => list.push(read()));
    else reader.skip();
  });
  return list;
}

function base64(reader: JsonReader): Buffer {
  const text = reader.plainString();
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    const at = text.search(/[^A-Za-z0-9+/]/);
    reader.fault(
      'base64.Decode',
      `illegal base64 data at input byte ${at < 0 ? text.length - (text.length % 4) : at}`,
    );
  }
  return Buffer.from(text, 'base64');
}

/** Hex of exactly `bytes` bytes; an empty or all-zero id counts as absent. */
function hexId(reader: JsonReader, bytes: number): string {
  const text = reader.plainString();
  if (text === '') return '';
  if (text.length === 2 * bytes && /^[0-9a-f]+$/.test(text)) return /^0+$/.test(text) ? '' : text;
  const problem = hexProblem(text, bytes);
  if (problem !== undefined) reader.fault('ID.UnmarshalJSONIter', problem);
  return /^0+$/.test(text) ? '' : text.toLowerCase();
}

function hexProblem(text: string, bytes: number): string | undefined {
  const { length } = Buffer.from(text);
  if (length >> 1 !== bytes) return 'length mismatch';
  const wrong = /[^0-9a-fA-F]/u.exec(text)?.[0];
  if (wrong !== undefined) {
    const code = wrong.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    return `encoding/hex: invalid byte: U+${code} '${wrong}'`;
  }
  return length % 2 === 0 ? undefined : 'encoding/hex: odd length hex string';
}
