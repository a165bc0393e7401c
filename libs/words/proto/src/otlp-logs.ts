/** Decodes OTLP logs requests (protobuf): step *decode* of a written line. */
import { OtlpArray, OtlpMap, emptyOtlpRecord, noAttributes } from './otlp-types.ts';
import type { OtlpAttribute, OtlpLogsSink, OtlpResource, OtlpScope, OtlpValue } from './otlp-types.ts';
import {
  ProtoError,
  WireCursor,
  wireBytes,
  wireFixed32,
  wireFixed64,
  wireVarint,
  wrongWireType,
} from './wire.ts';

/**
 * Deepest nesting of values; deeper ones are refused. Go's decoders have no such bound. This one recurses:
 * the stack of a thread has room for 1,100 levels of JSON and 1,600 of protobuf.
 */
export const otlpValueDepthMax = 500;

/**
 * Reads an OTLP `ExportLogsServiceRequest`. Throws ProtoError; the sink may then hold a part of the request,
 * which the caller drops. String bodies stay ranges of `bytes`.
 */
export function decodeOtlpLogs(bytes: Buffer, sink: OtlpLogsSink): void {
  const cursor = new WireCursor(bytes);
  const decoder = new OtlpDecoder(bytes, cursor, sink);
  const start = 0;
  const end = bytes.length;
  while (cursor.at < end) {
    const tag = cursor.otlpTag(end, start);
    if (tag >>> 3 === 1) decoder.resourceLogs(decoder.fieldEnd(tag, end, 'ResourceLogs'));
    else cursor.skip(tag % 8, end);
  }
}

class OtlpDecoder {
  readonly #bytes: Buffer;
  readonly #cursor: WireCursor;
  readonly #sink: OtlpLogsSink;
  readonly #record = emptyOtlpRecord();

  constructor(bytes: Buffer, cursor: WireCursor, sink: OtlpLogsSink) {
    this.#bytes = bytes;
    this.#cursor = cursor;
    this.#sink = sink;
  }

  /** Two passes over the field headers: the resource may stand after the records it describes. */
  resourceLogs(end: number): void {
    const cursor = this.#cursor;
    const start = cursor.at;
    let resource: OtlpResource = { attributes: noAttributes, droppedAttributesCount: 0 };
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      if (tag >>> 3 === 1) resource = this.#resource(this.fieldEnd(tag, end, 'Resource'));
      else cursor.skip(tag % 8, end);
    }
    this.#sink.resource(resource);
    cursor.at = start;
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      if (tag >>> 3 === 2) this.#scopeLogs(this.fieldEnd(tag, end, 'ScopeLogs'));
      else cursor.skip(tag % 8, end);
    }
  }

  fieldEnd(tag: number, end: number, field: string): number {
    if (tag % 8 !== wireBytes) throw wrongWireType(tag % 8, field);
    return this.#cursor.lengthEnd(end);
  }

  #resource(end: number): OtlpResource {
    const cursor = this.#cursor;
    const start = cursor.at;
    const attributes: OtlpAttribute[] = [];
    let droppedAttributesCount = 0;
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      if (tag >>> 3 === 1) attributes.push(this.#attribute(this.fieldEnd(tag, end, 'Attributes'), 0));
      else if (tag === 16) droppedAttributesCount = cursor.uvarint(end);
      else cursor.skip(tag % 8, end);
    }
    return { attributes, droppedAttributesCount };
  }

  #scopeLogs(end: number): void {
    const cursor = this.#cursor;
    const start = cursor.at;
    let scope: OtlpScope = { name: '', version: '', attributes: noAttributes, droppedAttributesCount: 0 };
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      if (tag >>> 3 === 1) scope = this.#scope(this.fieldEnd(tag, end, 'Scope'));
      else cursor.skip(tag % 8, end);
    }
    this.#sink.scope(scope);
    cursor.at = start;
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      if (tag >>> 3 === 2) this.#logRecord(this.fieldEnd(tag, end, 'LogRecords'));
      else cursor.skip(tag % 8, end);
    }
  }

  #scope(end: number): OtlpScope {
    const cursor = this.#cursor;
    const start = cursor.at;
    const attributes: OtlpAttribute[] = [];
    let name = '';
    let version = '';
    let droppedAttributesCount = 0;
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      const field = tag >>> 3;
      if (field === 1) name = this.#text(this.fieldEnd(tag, end, 'Name'));
      else if (field === 2) version = this.#text(this.fieldEnd(tag, end, 'Version'));
      else if (field === 3) attributes.push(this.#attribute(this.fieldEnd(tag, end, 'Attributes'), 0));
      else if (tag === 32) droppedAttributesCount = cursor.uvarint(end);
      else cursor.skip(tag % 8, end);
    }
    return { name, version, attributes, droppedAttributesCount };
  }

  #logRecord(end: number): void {
    const cursor = this.#cursor;
    const start = cursor.at;
    const record = this.#record;
    let attributes: OtlpAttribute[] | undefined;
    record.timeNs = 0n;
    record.observedTimeNs = 0n;
    record.severityNumber = 0;
    record.severityText = '';
    record.body = undefined;
    record.lineStart = -1;
    record.lineEnd = -1;
    record.droppedAttributesCount = 0;
    record.flags = 0;
    record.traceId = '';
    record.spanId = '';
    record.eventName = '';
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      const wireType = tag % 8;
      switch (tag >>> 3) {
        case 1:
          if (wireType !== wireFixed64) throw wrongWireType(wireType, 'TimeUnixNano');
          record.timeNs = cursor.fixed64(end);
          break;
        case 2:
          if (wireType !== wireVarint) throw wrongWireType(wireType, 'SeverityNumber');
          record.severityNumber = cursor.int32(end);
          break;
        case 3:
          record.severityText = this.#text(this.fieldEnd(tag, end, 'SeverityText'));
          break;
        case 5:
          this.#body(this.fieldEnd(tag, end, 'Body'));
          break;
        case 6:
          (attributes ??= []).push(this.#attribute(this.fieldEnd(tag, end, 'Attributes'), 0));
          break;
        case 7:
          if (wireType !== wireVarint) throw wrongWireType(wireType, 'DroppedAttributesCount');
          record.droppedAttributesCount = cursor.uvarint(end);
          break;
        case 8:
          if (wireType !== wireFixed32) throw wrongWireType(wireType, 'Flags');
          record.flags = cursor.fixed32(end);
          break;
        case 9:
          record.traceId = this.#id(this.fieldEnd(tag, end, 'TraceId'), 16, 'TraceID');
          break;
        case 10:
          record.spanId = this.#id(this.fieldEnd(tag, end, 'SpanId'), 8, 'SpanID');
          break;
        case 11:
          if (wireType !== wireFixed64) throw wrongWireType(wireType, 'ObservedTimeUnixNano');
          record.observedTimeNs = cursor.fixed64(end);
          break;
        case 12:
          record.eventName = this.#text(this.fieldEnd(tag, end, 'EventName'));
          break;
        default:
          cursor.skip(wireType, end);
      }
    }
    record.attributes = attributes ?? noAttributes;
    this.#sink.record(record);
  }

  /** Most bodies are strings: they are not copied. */
  #body(end: number): void {
    const cursor = this.#cursor;
    const record = this.#record;
    const start = cursor.at;
    if (start < end && cursor.bytes[start] === 10) {
      cursor.at = start + 1;
      const textEnd = cursor.lengthEnd(end);
      if (textEnd === end) {
        record.lineStart = cursor.at;
        record.lineEnd = textEnd;
        cursor.at = end;
        return;
      }
      cursor.at = start;
    }
    record.lineStart = -1;
    record.body = this.#value(end, 0);
  }

  /** An id of `bytes` bytes as hex; an empty or all-zero id means none. */
  #id(end: number, bytes: number, field: string): string {
    const start = this.#cursor.at;
    this.#cursor.at = end;
    if (end === start) return '';
    if (end - start !== bytes) throw new ProtoError(`unmarshal: invalid ${field} length`);
    const hex = this.#bytes.toString('hex', start, end);
    return /^0+$/.test(hex) ? '' : hex;
  }

  #text(end: number): string {
    const text = this.#bytes.toString('utf8', this.#cursor.at, end);
    this.#cursor.at = end;
    return text;
  }

  #attribute(end: number, depth: number): OtlpAttribute {
    const cursor = this.#cursor;
    const start = cursor.at;
    let key = '';
    let value: OtlpValue;
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      if (tag >>> 3 === 1) key = this.#text(this.fieldEnd(tag, end, 'Key'));
      else if (tag >>> 3 === 2) value = this.#value(this.fieldEnd(tag, end, 'Value'), depth);
      else cursor.skip(tag % 8, end);
    }
    return { key, value };
  }

  #value(end: number, depth: number): OtlpValue {
    if (depth > otlpValueDepthMax) throw new ProtoError('proto: values nest too deep');
    const cursor = this.#cursor;
    const start = cursor.at;
    let value: OtlpValue;
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      switch (tag) {
        case 10:
          value = this.#text(cursor.lengthEnd(end));
          break;
        case 16:
          value = cursor.uvarint(end) !== 0;
          break;
        case 24:
          value = cursor.int64(end);
          break;
        case 33:
          value = cursor.double(end);
          break;
        case 42:
          value = new OtlpArray(
            this.#list(cursor.lengthEnd(end), (itemEnd) => this.#value(itemEnd, depth + 1)),
          );
          break;
        case 50:
          value = new OtlpMap(
            this.#list(cursor.lengthEnd(end), (itemEnd) => this.#attribute(itemEnd, depth + 1)),
          );
          break;
        case 58: {
          const bytesEnd = cursor.lengthEnd(end);
          value = this.#bytes.subarray(cursor.at, bytesEnd);
          cursor.at = bytesEnd;
          break;
        }
        default:
          cursor.skip(tag % 8, end);
      }
    }
    return value;
  }

  /** `ArrayValue` and `KeyValueList` both hold their items as field 1. */
  #list<Item>(end: number, decode: (end: number) => Item): Item[] {
    const cursor = this.#cursor;
    const start = cursor.at;
    const items: Item[] = [];
    while (cursor.at < end) {
      const tag = cursor.otlpTag(end, start);
      if (tag >>> 3 === 1) items.push(decode(this.fieldEnd(tag, end, 'Values')));
      else cursor.skip(tag % 8, end);
    }
    return items;
  }
}
