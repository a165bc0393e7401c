/** Helper of tests: encodes OTLP requests as protobuf. */
import { bytesField, varintField } from '@loki/proto';

// OTLP requests for tests: both forms of one case come from one fixture.

type Json = Record<string, unknown>;

/** The protobuf form of a request in JSON's shape. */
export function encodeOtlpRequest(request: object): Buffer {
  return messages(request, 'resourceLogs', 1, (resourceLogs) =>
    Buffer.concat([
      message(resourceLogs.resource, 1, (resource) => messages(resource, 'attributes', 1, keyValue)),
      messages(resourceLogs, 'scopeLogs', 2, (scopeLogs) =>
        Buffer.concat([
          message(scopeLogs.scope, 1, (scope) =>
            Buffer.concat([
              text(1, scope.name),
              text(2, scope.version),
              messages(scope, 'attributes', 3, keyValue),
            ]),
          ),
          messages(scopeLogs, 'logRecords', 2, logRecord),
        ]),
      ),
    ]),
  );
}

function logRecord(record: Json): Buffer {
  const flags = Buffer.alloc(5, 69);
  flags.writeUInt32LE((record.flags as number) ?? 0, 1);
  return Buffer.concat([
    fixed64(1, record.timeUnixNano),
    record.severityNumber ? varintField(2, BigInt(record.severityNumber as number)) : Buffer.alloc(0),
    text(3, record.severityText),
    message(record.body, 5, anyValue),
    messages(record, 'attributes', 6, keyValue),
    record.droppedAttributesCount
      ? varintField(7, BigInt(record.droppedAttributesCount as number))
      : Buffer.alloc(0),
    record.flags ? flags : Buffer.alloc(0),
    record.traceId ? bytesField(9, Buffer.from(record.traceId as string, 'hex')) : Buffer.alloc(0),
    record.spanId ? bytesField(10, Buffer.from(record.spanId as string, 'hex')) : Buffer.alloc(0),
    fixed64(11, record.observedTimeUnixNano),
  ]);
}

function anyValue(value: Json): Buffer {
  if (value.stringValue !== undefined) return text(1, value.stringValue);
  if (value.boolValue !== undefined) return varintField(2, value.boolValue ? 1n : 0n);
  if (value.intValue !== undefined) return varintField(3, BigInt(value.intValue as string));
  if (value.doubleValue !== undefined) {
    const bytes = Buffer.alloc(9, 33);
    bytes.writeDoubleLE(value.doubleValue as number, 1);
    return bytes;
  }
  if (value.arrayValue) {
    return message(value.arrayValue, 5, (array) => messages(array, 'values', 1, anyValue));
  }
  if (value.kvlistValue) return message(value.kvlistValue, 6, (map) => messages(map, 'values', 1, keyValue));
  return Buffer.alloc(0);
}

function keyValue(pair: Json): Buffer {
  return Buffer.concat([text(1, pair.key), message(pair.value, 2, anyValue)]);
}

function message(value: unknown, field: number, encode: (value: Json) => Buffer): Buffer {
  return value === undefined ? Buffer.alloc(0) : bytesField(field, encode(value as Json));
}

function messages(value: object, name: string, field: number, encode: (item: Json) => Buffer): Buffer {
  const items = ((value as Json)[name] as Json[] | undefined) ?? [];
  return Buffer.concat(items.map((item) => bytesField(field, encode(item))));
}

function text(field: number, value: unknown): Buffer {
  return typeof value === 'string' ? bytesField(field, Buffer.from(value)) : Buffer.alloc(0);
}

function fixed64(field: number, value: unknown): Buffer {
  if (!value) return Buffer.alloc(0);
  const bytes = Buffer.alloc(9, field * 8 + 1);
  bytes.writeBigUInt64LE(BigInt(value as string), 1);
  return bytes;
}
