// Sizes and CPU of the segment format on generated pushes.
//
//     npx node libs/engines/segment/src/test/segment.bench.ts DATA [level…]
//
// DATA holds main.proto and main.proto.idx.json: snappy protobuf push bodies, one after another.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Labels, loadHash } from '@loki/model';
import { columns } from '../format/types.ts';
import type { RawSection } from '../format/types.ts';
import { mergeSegments } from '../merge/merge.ts';
import { openSegment } from '../read/open.ts';
import { encodeSegment } from '../write/encode.ts';
import { RowWriter } from '../write/row-writer.ts';

const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;

function cpu<T>(what: string, rawBytes: number, run: () => T): T {
  const before = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(before);
  console.log(`${what}: ${(((user + system) / 1e6 / rawBytes) * 1e9).toFixed(2)} CPU s/GB`);
  return result;
}

function main(data: string, levels: number[]): void {
  const bodies = readBodies(data);
  const labelsOf = new Map<string, Labels>();
  let rawBytes = 0;
  let rows = 0;
  const fill = () =>
    bodies.map((body) => {
      const writer = new RowWriter('bench');
      fillFromPush(writer, body, labelsOf);
      return writer.finish();
    });
  fill();
  const sections = fill();
  for (const [section] of sections) {
    rawBytes += section.lines.length;
    rows += section.rowCount;
  }
  console.log(`${bodies.length} pushes, ${rows} rows, ${rawBytes} line bytes`);
  cpu('decode push + RowWriter', rawBytes, fill);
  for (const level of levels) {
    const encode = () => sections.map((raw: RawSection[]) => encodeSegment(raw, { kind: 'record', level }));
    encode();
    const records = cpu(`encode records, level ${level}`, rawBytes, encode);
    report('records', rawBytes, records);
    const decode = () => {
      for (const bytes of records) decodeAll(bytes);
    };
    decode();
    cpu('decode all columns', rawBytes, decode);
    const inputs = records.map((bytes) => ({ bytes }));
    const merge = () => mergeSegments(inputs, { kind: 'flushed', effort: level });
    merge();
    const { bytes: merged } = cpu(`merge records, level ${level}`, rawBytes, merge);
    report('merged', rawBytes, [merged]);
    cpu(`merge sorted, level ${level}`, rawBytes, () =>
      mergeSegments([{ bytes: merged }], { kind: 'compacted', effort: level }),
    );
  }
}

function decodeAll(bytes: Buffer): void {
  const segment = openSegment(bytes);
  for (const section of segment.sections) {
    for (const { index } of section.blocks) {
      const block = segment.block(section, index, all);
      block.timestamps();
      block.lineEnds();
      block.lines();
      block.metadata();
    }
  }
}

function report(what: string, rawBytes: number, segments: Buffer[]): void {
  const parts = { lines: 0, metadata: 0, lengths: 0, timestamps: 0 };
  let total = 0;
  for (const bytes of segments) {
    total += bytes.length;
    for (const section of openSegment(bytes).sections) {
      for (const { units } of section.blocks as unknown as { units: Units }[]) {
        parts.lines += units.lines.storedBytes;
        parts.metadata += units.bundle.storedBytes;
        for (const large of units.large) parts.metadata += large.storedBytes;
        parts.lengths += units.lengths.storedBytes;
        parts.timestamps += units.timestamps.storedBytes;
      }
    }
  }
  const per = (bytes: number) => (bytes / rawBytes).toFixed(4);
  const rest = total - parts.lines - parts.metadata - parts.lengths - parts.timestamps;
  console.log(
    `${what}: ${per(total)} bytes per raw byte = lines ${per(parts.lines)} metadata ${per(parts.metadata)} ` +
      `lengths ${per(parts.lengths)} timestamps ${per(parts.timestamps)} footer ${per(rest)}`,
  );
}

interface Units {
  readonly lines: { storedBytes: number };
  readonly bundle: { storedBytes: number };
  readonly large: { storedBytes: number }[];
  readonly lengths: { storedBytes: number };
  readonly timestamps: { storedBytes: number };
}

function readBodies(data: string): Buffer[] {
  const all = readFileSync(join(data, 'main.proto'));
  const index = JSON.parse(readFileSync(join(data, 'main.proto.idx.json'), 'utf8')) as {
    o: number;
    l: number;
  }[];
  return index.map(({ o, l }) => unsnappy(all.subarray(o, o + l)));
}

/** PushRequest { 1: streams { 1: labels, 2: entries { 1: time { 1: s, 2: ns }, 2: line, 3: pairs } } } */
function fillFromPush(writer: RowWriter, body: Buffer, labelsOf: Map<string, Labels>): void {
  eachField(body, 0, body.length, (_, from, to) => {
    let isOpen = false;
    eachField(body, from, to, (field, start, end) => {
      if (field === 1) {
        const text = body.toString('utf8', start, end);
        let labels = labelsOf.get(text);
        if (!labels) {
          const pairs = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(
            ([, name, value]) => [name, value] as const,
          );
          labelsOf.set(text, (labels = Labels.fromPairs(pairs)));
        }
        writer.beginRun(labels);
        isOpen = true;
      } else addEntry(writer, body, start, end);
    });
    if (isOpen) writer.endRun();
  });
}

function addEntry(writer: RowWriter, body: Buffer, from: number, to: number): void {
  let [seconds, nanos, added] = [0, 0, false];
  let [lineFrom, lineTo] = [0, 0];
  const add = () => {
    if (!added) writer.addRow(seconds, nanos, body, lineFrom, lineTo);
    added = true;
  };
  eachField(body, from, to, (field, start, end) => {
    if (field === 1) {
      eachField(body, start, end, (part, value) => {
        if (part === 1) seconds = value;
        else nanos = value;
      });
    } else if (field === 2) [lineFrom, lineTo] = [start, end];
    else {
      add();
      let name = '';
      eachField(body, start, end, (part, a, b) => {
        if (part === 1) name = body.toString('latin1', a, b);
        else writer.addMetadata(name, body.toString('latin1', a, b));
      });
    }
  });
  add();
}

/** Numbers are given as `start`, with end 0. */
function eachField(
  body: Buffer,
  from: number,
  to: number,
  visit: (field: number, start: number, end: number) => void,
): void {
  let at = from;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (; body[at] > 127; scale *= 128) value += (body[at++] & 127) * scale;
    return value + body[at++] * scale;
  };
  while (at < to) {
    const tag = varint();
    const value = varint();
    if ((tag & 7) === 0) visit(tag >> 3, value, 0);
    else {
      visit(tag >> 3, at, at + value);
      at += value;
    }
  }
}

/** Snappy's raw format, without checks: the bench trusts its data. */
function unsnappy(input: Buffer): Buffer {
  let at = 0;
  let [size, scale] = [0, 1];
  for (; input[at] > 127; scale *= 128) size += (input[at++] & 127) * scale;
  size += input[at++] * scale;
  const out = Buffer.allocUnsafe(size);
  let to = 0;
  while (at < input.length) {
    const tag = input[at++];
    if ((tag & 3) === 0) {
      let count = (tag >> 2) + 1;
      const extra = count - 60;
      if (extra > 0) {
        count = input.readUIntLE(at, extra) + 1;
        at += extra;
      }
      to += input.copy(out, to, at, at + count);
      at += count;
      continue;
    }
    let [count, back] = [(tag >> 2) + 1, 0];
    if ((tag & 3) === 1) {
      count = ((tag >> 2) & 7) + 4;
      back = ((tag >> 5) << 8) | input[at++];
    } else {
      const wide = (tag & 3) === 2 ? 2 : 4;
      back = input.readUIntLE(at, wide);
      at += wide;
    }
    for (; count > 0; count--, to++) out[to] = out[to - back];
  }
  return out;
}

void loadHash().then(() => main(process.argv[2], process.argv.slice(3).map(Number)));
