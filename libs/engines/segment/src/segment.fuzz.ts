/** Segments with a damaged inside and a sound checksum, and the golden files damaged in each way. */
import { readFileSync } from 'node:fs';
import { BytesError, crc32c } from '@loki/bytes';
import { refusalOf } from '@loki/test-tools';
import type { FuzzTarget, GoldenFile } from '@loki/test-tools';
import { searchFilterKind } from './filter/filter-build.ts';
import { checkSearchFilter, FilterProbe, needleOf } from './filter/filter-probe.ts';
import { columns } from './format/types.ts';
import { mergeSegments } from './merge/merge.ts';
import { inspectSegment } from './read/inspect.ts';
import { openSegment } from './read/open.ts';
import { verifySegment } from './read/verify.ts';
import { goldenNames } from './test/golden.ts';
import { rowsOf } from './test/rows.ts';

const fileOf = (name: string) => readFileSync(new URL(`../testdata/v1-${name}.segment`, import.meta.url));

const isRefusal = refusalOf('corrupt');

const trailerBytes = 16;

/** The trailer's checksum of the footer before it, for a footer that was changed. */
function mend(input: Buffer): Buffer {
  if (input.length < trailerBytes) return input;
  const mended = Buffer.from(input);
  const trailerAt = mended.length - trailerBytes;
  const footerBytes = Math.min(mended.readUInt32LE(trailerAt + 4), trailerAt);
  mended.writeUInt32LE(crc32c(mended, trailerAt - footerBytes, trailerAt + 8), trailerAt + 8);
  return mended;
}

function goldenFilter(): Buffer {
  const segment = openSegment(fileOf('filtered'));
  return Buffer.from(segment.block(segment.sections[0], 0, columns.filter).filter()!.bytes);
}

function rowCount(input: Buffer): number {
  const segment = openSegment(input);
  return segment.sections.reduce((count, section) => count + rowsOf(segment, section).length, 0);
}

export const targets: readonly FuzzTarget[] = [
  {
    name: 'segment-open',
    shape: 'bytes',
    corpus: () => goldenNames.map(fileOf),
    mend,
    isRefusal,
    run: (input) => openSegment(input).sections.length,
  },
  {
    name: 'segment-rows',
    shape: 'bytes',
    corpus: () => goldenNames.map(fileOf),
    mend,
    isRefusal,
    run: rowCount,
  },
  {
    name: 'segment-verify',
    shape: 'bytes',
    corpus: () => goldenNames.map(fileOf),
    mend,
    isRefusal,
    // A verified segment can be read, inspected and merged.
    run: (input) => {
      verifySegment(input);
      inspectSegment(input);
      const rows = rowCount(input);
      mergeSegments([{ bytes: input }], { kind: 'flushed' });
      return rows;
    },
  },
  {
    name: 'segment-search-filter',
    shape: 'bytes',
    corpus: () => [goldenFilter()],
    isRefusal: (error) => error instanceof BytesError,
    run: (bytes) => {
      checkSearchFilter(bytes);
      const probe = FilterProbe.of({ kind: searchFilterKind, bytes })!;
      return [probe.mayContain(needleOf(Buffer.from('level=info msg'))!), probe.mayHavePair('k', 'v')].length;
    },
  },
];

export const goldenFiles: readonly GoldenFile[] = goldenNames.map((name) => ({
  name: `segment-${name}`,
  bytes: () => fileOf(name),
  isRefusal,
  read: (bytes) => {
    verifySegment(bytes);
    const segment = openSegment(bytes);
    return segment.sections.flatMap((section) =>
      rowsOf(segment, section).map((row) =>
        JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
      ),
    );
  },
}));
