/** JSON as a tree of values, with exact integers and repeated keys. */
import { unescapeJson } from '@loki/go';
import { eachField, eachItem } from './jsonparser-walk.ts';
import type { RawValue } from './jsonparser-walk.ts';

/**
 * A JSON value. Whole numbers that a double cannot hold are bigints; objects keep repeated keys, in order.
 */
export type JsonValue = null | boolean | number | bigint | string | JsonArray | JsonObject;

class JsonArray {
  readonly items: readonly JsonValue[];
  constructor(items: readonly JsonValue[]) {
    this.items = items;
  }
}

class JsonObject {
  readonly fields: readonly (readonly [key: string, value: JsonValue])[];
  constructor(fields: readonly (readonly [key: string, value: JsonValue])[]) {
    this.fields = fields;
  }

  /** The last value of `key`; undefined when there is none. */
  get(key: string): JsonValue | undefined {
    for (let i = this.fields.length - 1; i >= 0; i--) if (this.fields[i][0] === key) return this.fields[i][1];
    return undefined;
  }
}

/** Reads the value in bytes[start .. end), which must be well-formed. */
export function treeOf(bytes: Buffer, start: number, end: number): JsonValue {
  const items: JsonValue[] = [];
  const one = { start, end };
  switch (bytes[start]) {
    case 0x22:
      return lenientText(bytes, start + 1, end - 1);
    case 0x5b:
      eachItem(bytes, one, (item) => void items.push(treeOfRaw(bytes, item)));
      return new JsonArray(items);
    case 0x7b: {
      const fields: (readonly [string, JsonValue])[] = [];
      const visit = (name: string, value: RawValue) => void fields.push([name, treeOfRaw(bytes, value)]);
      eachField(bytes, one, visit, lenientText);
      return new JsonObject(fields);
    }
    default:
      return scalarOf(bytes.toString('latin1', start, end));
  }
}

function treeOfRaw(bytes: Buffer, { kind, start, end }: RawValue): JsonValue {
  return kind === 'string' ? lenientText(bytes, start, end) : treeOf(bytes, start, end);
}

function scalarOf(text: string): JsonValue {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  const value = Number(text);
  return Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?[0-9]+$/.test(text)
    ? BigInt(text)
    : value;
}

function lenientText(bytes: Buffer, start: number, end: number): string {
  return unescapeProven(bytes.toString('utf8', start, end));
}

/** Resolves the escapes of a text that a cursor has checked. */
export function unescapeProven(text: string): string {
  return unescapeJson(text) ?? text;
}
