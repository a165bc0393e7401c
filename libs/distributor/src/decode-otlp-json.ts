import { LokiError } from '@loki/model';
import {
  emptyOtlpRecord,
  OtlpArray,
  type OtlpAttribute,
  type OtlpLogsSink,
  OtlpMap,
  type OtlpValue,
  otlpValueDepthMax,
} from '@loki/proto';
import { character, JsonCursor } from './json-cursor.ts';
import { JsonArray, JsonObject, type JsonValue } from './json-value.ts';

/**
 * Reads OTLP's JSON form: names in lowerCamelCase (snake_case is understood too), 64-bit numbers as text or numbers,
 * ids as hex, unknown fields ignored.
 */
export function decodeOtlpJson(body: Buffer, sink: OtlpLogsSink): void {
  const cursor = new JsonCursor(body);
  const first = cursor.token();
  if (first !== 0x7b && first !== 0x6e)
    throw cursor.fault('ReadObjectCB', `expect { or n, but found ${character(first)}`);
  cursor.at--;
  const request = cursor.value();
  for (const resourceLogs of list(request, 'resourceLogs', 'resource_logs')) {
    const resource = field(resourceLogs, 'resource');
    sink.resource({
      attributes: attributes(resource),
      droppedAttributesCount: droppedCount(resource),
    });
    for (const scopeLogs of list(resourceLogs, 'scopeLogs', 'scope_logs')) {
      const scope = field(scopeLogs, 'scope');
      sink.scope({
        name: text(scope, 'name'),
        version: text(scope, 'version'),
        attributes: attributes(scope),
        droppedAttributesCount: droppedCount(scope),
      });
      for (const record of list(scopeLogs, 'logRecords', 'log_records')) decodeRecord(record, sink);
    }
  }
}

function decodeRecord(value: JsonValue, sink: OtlpLogsSink): void {
  const record = emptyOtlpRecord();
  record.timeNs = BigInt.asUintN(64, integer(value, 'timeUnixNano', 'time_unix_nano'));
  record.observedTimeNs = BigInt.asUintN(
    64,
    integer(value, 'observedTimeUnixNano', 'observed_time_unix_nano'),
  );
  record.severityNumber = severityNumber(field(value, 'severityNumber', 'severity_number'));
  record.severityText = text(value, 'severityText', 'severity_text');
  record.body = anyValue(field(value, 'body'), 0);
  record.attributes = attributes(value);
  record.droppedAttributesCount = droppedCount(value);
  record.flags = Number(BigInt.asUintN(32, integer(value, 'flags')));
  record.traceId = hexId(text(value, 'traceId', 'trace_id'), 16);
  record.spanId = hexId(text(value, 'spanId', 'span_id'), 8);
  record.eventName = text(value, 'eventName', 'event_name');
  sink.record(record);
}

function field(value: JsonValue | undefined, ...names: readonly string[]): JsonValue | undefined {
  if (value === undefined || value === null) return undefined;
  if (!(value instanceof JsonObject)) throw bad('ReadObjectCB: expect { or n');
  for (const name of names) {
    const found = value.get(name);
    if (found !== undefined && found !== null) return found;
  }
  return undefined;
}

function list(value: JsonValue | undefined, ...names: readonly string[]): readonly JsonValue[] {
  const found = field(value, ...names);
  if (found === undefined) return [];
  if (!(found instanceof JsonArray)) throw bad('ReadArrayCB: expect [ or n');
  return found.items;
}

function text(value: JsonValue | undefined, ...names: readonly string[]): string {
  const found = field(value, ...names) ?? '';
  if (typeof found !== 'string') throw bad('ReadString: expects " or n');
  return found;
}

function integer(value: JsonValue | undefined, ...names: readonly string[]): bigint {
  return toBigInt(field(value, ...names) ?? 0);
}

function toBigInt(value: JsonValue): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (typeof value === 'string') {
    if (value === '') return 0n;
    if (/^[+-]?[0-9]{1,20}$/.test(value)) return BigInt(value);
  }
  throw bad('ReadInt64: not an integer');
}

/** A number, or the name of the enum's value. */
function severityNumber(value: JsonValue | undefined): number {
  if (value === undefined) return 0;
  if (typeof value !== 'string') return Number(BigInt.asIntN(32, toBigInt(value)));
  const named = /^SEVERITY_NUMBER_(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)([2-4]?)$/.exec(value);
  if (!named) return 0;
  const base = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].indexOf(named[1]) * 4;
  return base + Number(named[2] || '1');
}

function droppedCount(value: JsonValue | undefined): number {
  return Number(BigInt.asUintN(32, integer(value, 'droppedAttributesCount', 'dropped_attributes_count')));
}

function attributes(value: JsonValue | undefined): OtlpAttribute[] {
  return list(value, 'attributes').map((pair) => attribute(pair, 0));
}

function attribute(pair: JsonValue, depth: number): OtlpAttribute {
  return { key: text(pair, 'key'), value: anyValue(field(pair, 'value'), depth) };
}

function anyValue(value: JsonValue | undefined, depth: number): OtlpValue {
  if (value === undefined || value === null) return undefined;
  if (depth > otlpValueDepthMax) throw bad('values nest too deep');
  if (!(value instanceof JsonObject)) throw bad('ReadObjectCB: expect { or n');
  for (const [name, item] of value.fields) {
    switch (name) {
      case 'stringValue':
      case 'string_value':
        return text(value, name);
      case 'boolValue':
      case 'bool_value':
        if (typeof item !== 'boolean') throw bad('ReadBool: expect t or f');
        return item;
      case 'intValue':
      case 'int_value':
        return BigInt.asIntN(64, toBigInt(item));
      case 'doubleValue':
      case 'double_value':
        return Number(item);
      case 'arrayValue':
      case 'array_value':
        return new OtlpArray(list(item, 'values').map((entry) => anyValue(entry, depth + 1)));
      case 'kvlistValue':
      case 'kvlist_value':
        return new OtlpMap(list(item, 'values').map((entry) => attribute(entry, depth + 1)));
      case 'bytesValue':
      case 'bytes_value':
        return Buffer.from(text(value, name), 'base64');
      default:
    }
  }
  return undefined;
}

/** Hex of exactly `bytes` bytes; empty and all-zero ids mean that there is none. */
function hexId(value: string, bytes: number): string {
  if (value === '') return '';
  const hex = value.toLowerCase();
  if (hex.length !== bytes * 2 || !/^[0-9a-f]+$/.test(hex))
    throw bad(`invalid length or digits of id "${value}"`);
  return /^0+$/.test(hex) ? '' : hex;
}

function bad(message: string): LokiError {
  return new LokiError('badRequest', message);
}
