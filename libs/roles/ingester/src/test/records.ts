/** Helpers of ingester tests: records of rows, and their rows. */
import { Labels } from '@loki/model';
import type { LabelPair } from '@loki/model';
import { atOnce } from '@loki/ports';
import { columns, encodeSegment, openSegment, RowWriter } from '@loki/segment';
import type { Segment } from '@loki/segment';
import { EntryHasher } from '../head/entry-hasher.ts';
import { HeadRecord } from '../head/head-record.ts';
import type { Head } from '../head/head.ts';
import { SectionStreams } from '../head/section-streams.ts';

/** One entry of a test, as plain as can be. */
export interface Row {
  readonly tenant?: string;
  readonly app: string;
  readonly ns: bigint;
  readonly line: string;
  readonly metadata?: readonly LabelPair[];
}

/** Rows of consecutive same-stream entries become one run, as a push of a stream does. */
export function encodeRows(rows: readonly Row[]): Buffer {
  const writers = new Map<string, RowWriter>();
  for (let i = 0; i < rows.length;) {
    const tenant = rows[i].tenant ?? 'a';
    let writer = writers.get(tenant);
    if (!writer) writers.set(tenant, (writer = new RowWriter(tenant)));
    writer.beginRun(labelsOf(rows[i].app));
    let j = i;
    for (; j < rows.length && rows[j].app === rows[i].app && (rows[j].tenant ?? 'a') === tenant; j++) {
      const { ns, line, metadata } = rows[j];
      writer.addRowText(Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n), line);
      for (const [name, value] of metadata ?? []) writer.addMetadata(name, value);
    }
    writer.endRun();
    i = j;
  }
  return encodeSegment(
    [...writers.values()].flatMap((writer) => writer.finish()),
    { kind: 'record' },
  );
}

/** All entries of a segment as texts, in its order. */
export function decodeRows(segment: Segment): string[] {
  const out: string[] = [];
  for (const section of segment.sections) {
    for (const info of section.blocks) {
      const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;
      const block = segment.block(section, info.index, all);
      const ends = block.lineEnds();
      const { columns: names, starts, column, code } = block.rowMetadata();
      for (let run = 0; run < info.runs.count; run++) {
        const stream = section.streams.labels(info.runs.stream[run]);
        for (let row = info.runs.firstRow[run]; row < info.runs.firstRow[run + 1]; row++) {
          const metadata: LabelPair[] = [];
          for (let k = starts[row]; k < starts[row + 1]; k++) {
            metadata.push([names[column[k]].name, names[column[k]].values[code[k] - 1]]);
          }
          const line = block.lines().toString('utf8', row === 0 ? 0 : ends[row - 1], ends[row]);
          const ns = info.baseNs + BigInt(block.timestamps()[row]);
          out.push(rowText({ tenant: section.tenant, app: stream.get('app')!, ns, line, metadata }));
        }
      }
    }
  }
  return out;
}

/** A text that is the same for equal entries. */
export function rowText({ tenant = 'a', app, ns, line, metadata = [] }: Row): string {
  const sorted = [...metadata].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return `${tenant} ${app} ${ns} ${line} ${JSON.stringify(sorted)}`;
}

export function labelsOf(app: string): Labels {
  return Labels.fromPairs([
    ['app', app],
    ['env', 'test'],
  ]);
}

export function hasher(): EntryHasher {
  return new EntryHasher(Buffer.from('a secret'));
}

/** A stream of tests in a head: its number, -1 when it is not there, and its hash. */
export function streamOf(head: Head, app: string, tenant = 'a'): { number: number; hash: number } {
  const [section] = openSegment(encodeRows([{ app, tenant, ns: 0n, line: '' }])).sections;
  const streams = atOnce(SectionStreams.of(section, head.streams));
  return { number: streams.numbers[0], hash: streams.hash(0) };
}

export function headRecord(offset: number, bytes: Buffer): HeadRecord {
  return new HeadRecord(offset, openSegment(bytes), 0);
}
