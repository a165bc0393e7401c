/**
 * Changes to protobuf messages: fields removed, repeated, renumbered, nested; lengths around them stay right.
 */
import type { Prng } from '@loki/virtual';
import { edgeNumber, mutateBytes, varintOf } from './mutate-bytes.ts';
import type { Material } from './mutate-bytes.ts';
import { mutateText } from './mutate-text.ts';

interface Field {
  number: number;
  wire: number;
  /** Of wire type 2 that reads as a message: its fields. */
  fields?: Field[];
  bytes: Buffer;
}

/** Deeper than real messages, and not so deep that the changes themselves fail. */
const depthMax = 40;

export function mutateProtobuf(input: Buffer, material: Material): Buffer {
  const { random } = material;
  const fields = parse(input, 0);
  if (fields === undefined || random.chance(0.2)) return mutateBytes(input, material);
  for (let left = random.pick([1, 1, 2, 4]); left > 0; left--) change(fields, material);
  return encode(fields);
}

function change(root: Field[], material: Material): void {
  const { random } = material;
  const list = listWithin(root, random);
  const at = random.int(0, Math.max(0, list.length - 1));
  const field = list[at];
  if (field === undefined) {
    list.push({ number: random.int(1, 20), wire: 0, bytes: varintOf(edgeNumber(random)) });
    return;
  }
  switch (random.int(0, 8)) {
    case 0:
      list.splice(at, 1);
      return;
    case 1: {
      const times = Math.min(random.pick([1, 2, 20, 500]), Math.floor(20_000 / (field.bytes.length + 2)));
      list.splice(at, 0, ...Array.from({ length: times }, () => field));
      return;
    }
    case 2:
      field.number = random.pick([0, 1, 2, 3, 4, 5, 6, 12, 13, 15, 16, 2 ** 29 - 1, 2 ** 31]);
      return;
    case 3:
      field.wire = random.int(0, 7);
      return;
    case 4:
      list.splice(random.int(0, list.length - 1), 0, ...list.splice(at, 1));
      return;
    case 5:
      nest(list, at, random);
      return;
    default:
      changeValue(field, material);
  }
}

function changeValue(field: Field, material: Material): void {
  const { random } = material;
  delete field.fields;
  if (field.wire === 0) {
    field.bytes = varintOf(random.chance(0.3) ? 2n ** 64n - BigInt(random.int(1, 9)) : edgeNumber(random));
  } else if (random.chance(0.5)) field.bytes = mutateText(field.bytes, material);
  else field.bytes = mutateBytes(field.bytes, material);
}

/** Nests the field in itself, many times. */
function nest(list: Field[], at: number, random: Prng): void {
  let field = list[at];
  if (field.wire !== 2) return;
  let levels = random.pick([1, 5, 30, 200, 1000]);
  for (; levels > 0 && field.bytes.length < 30_000; levels--) {
    field = { number: field.number, wire: 2, bytes: encode([field]) };
  }
  list[at] = field;
}

function listWithin(root: Field[], random: Prng): Field[] {
  let list = root;
  for (;;) {
    const messages = list.filter((field) => field.fields !== undefined);
    if (messages.length === 0 || random.chance(0.25)) return list;
    list = random.pick(messages).fields!;
  }
}

/** Undefined: not a message. */
function parse(bytes: Buffer, depth: number): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = varintAt(bytes, at);
    if (tag === undefined) return undefined;
    at = tag.end;
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    let end: number;
    let start = at;
    if (wire === 0) end = varintAt(bytes, at)?.end ?? Infinity;
    else if (wire === 1) end = at + 8;
    else if (wire === 5) end = at + 4;
    else if (wire === 2) {
      const length = varintAt(bytes, at);
      start = length?.end ?? Infinity;
      end = start + (length?.value ?? 0);
    } else return undefined;
    if (number === 0 || end > bytes.length) return undefined;
    const value = bytes.subarray(start, end);
    const fieldsWithin =
      wire === 2 && value.length > 1 && depth < depthMax ? parse(value, depth + 1) : undefined;
    fields.push({ number, wire, bytes: value, fields: fieldsWithin });
    at = end;
  }
  return fields;
}

function varintAt(bytes: Buffer, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let at = start; at < bytes.length && at < start + 10; at++) {
    value += (bytes[at] & 0x7f) * 2 ** (7 * (at - start));
    if (bytes[at] < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}

function encode(fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [];
  for (const { number, wire, fields: within, bytes } of fields) {
    parts.push(varintOf(number * 8 + wire));
    const value = within ? encode(within) : bytes;
    if (wire === 2) parts.push(varintOf(value.length));
    parts.push(value);
  }
  return Buffer.concat(parts);
}
