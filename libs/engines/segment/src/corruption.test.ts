import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LokiError } from '@loki/model';
import type { ObjectStore } from '@loki/ports';
import { FilterProbe, needleOf } from './filter/filter-probe.ts';
import { columns } from './format/types.ts';
import type { Segment, StoredSegment } from './format/types.ts';
import { openSegment } from './read/open.ts';
import { readSegment } from './read/stored.ts';
import { verifySegment } from './read/verify.ts';
import { filteredRows, goldenNames, goldenRows, makeGolden } from './test/golden.ts';
import { allColumns, expected, rowsOf, sortedDistinct } from './test/rows.ts';

const files = goldenNames.map((name) => {
  const bytes = readFileSync(join(__dirname, '../testdata', `v1-${name}.segment`));
  return { name, bytes };
});

/** The filter of the only block. */
function filterOf(segment: Segment) {
  return segment.block(segment.sections[0], 0, columns.filter).filter();
}

/** Everything a segment says, as text. */
function contents(segment: Segment): string {
  return JSON.stringify(
    [segment.kind, segment.sections.map((section) => [section.tenant, rowsOf(segment, section)])],
    (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  );
}

describe('golden files of format version 1', () => {
  test.each(files)('$name verifies and holds the rows it was made of', ({ name, bytes }) => {
    verifySegment(bytes);
    const segment = openSegment(bytes);
    const rows = segment.section('tenant-2') ? rowsOf(segment, segment.section('tenant-2')!) : [];
    if (name === 'filtered') {
      expect(rowsOf(segment, segment.section('tenant-1')!)).toEqual(filteredRows().map(expected));
    } else if (name === 'empty') expect(segment.sections).toEqual([]);
    else if (name === 'tiny') {
      expect(rowsOf(segment, segment.section('t')!)).toEqual([expected(goldenRows()[24])]);
    } else expect(sortedDistinct(rows)).toEqual(sortedDistinct(goldenRows().map(expected)));
    if (name === 'flushed' || name === 'compacted') expect(rows).toEqual(sortedDistinct(rows));
    if (name === 'compacted') {
      const section = segment.section('tenant-2')!;
      const filter = segment.block(section, 0, allColumns | 16).filter()!;
      expect(filter.kind).toBe(7);
      expect(
        Buffer.from(filter.bytes).equals(segment.block(section, 0, allColumns).lines().subarray(0, 8)),
      ).toBe(true);
    }
    if (name === 'filtered') {
      const filter = filterOf(segment);
      const probe = FilterProbe.of(filter)!;
      for (const { line, metadata } of filteredRows()) {
        expect(probe.mayContain(needleOf(Buffer.from(line))!)).toBe(true);
        for (const [key, value] of metadata) expect(probe.mayHavePair(key, value)).toBe(true);
      }
      expect(probe.mayContain(needleOf(Buffer.from('deadlock'))!)).toBe(false);
      // The meaning of a kind never changes: what is written today is what was written then.
      expect(filter).toEqual(filterOf(openSegment(makeGolden(name))));
    }
    expect(contents(openSegment(makeGolden(name)))).toBe(contents(segment));
  });
});

describe('damage to a segment', () => {
  test.each(files)('$name: a cut at any byte is found', ({ bytes }) => {
    for (let size = 0; size < bytes.length; size++) {
      expectCorrupt(() => verifySegment(bytes.subarray(0, size), 'a/key'));
    }
    expectCorrupt(() => verifySegment(Buffer.concat([bytes, Buffer.alloc(1)]), 'a/key'));
  });

  test.each(files)('$name: a flip of any bit is found', ({ bytes }) => {
    const damaged = Buffer.from(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      damaged[bit >> 3] ^= 1 << (bit & 7);
      expectCorrupt(() => verifySegment(damaged, 'a/key'));
      damaged[bit >> 3] ^= 1 << (bit & 7);
    }
    verifySegment(damaged);
  });

  test.each(files)(
    '$name: a flip of any bit in the store is found, or was in bytes that nobody read',
    async ({ bytes }) => {
      const damaged = Buffer.from(bytes);
      const wanted = await storedContents(await readSegment(storeOf(bytes), 'a/key'));
      // Every bit of the memory test would take minutes here; every byte is flipped in one bit.
      for (let at = 0; at < bytes.length; at++) {
        damaged[at] ^= 1 << (at & 7);
        let got: string | undefined;
        try {
          got = await storedContents(await readSegment(storeOf(damaged), 'a/key'));
        } catch (error) {
          expectNamed(error);
        }
        if (got !== undefined) expect(got).toBe(wanted);
        damaged[at] ^= 1 << (at & 7);
      }
    },
  );

  test('a stranger at the end, in the middle and at the beginning is named', () => {
    const { bytes } = files[1];
    const swapped = Buffer.from(bytes);
    swapped[4] = 2;
    expect(() => openSegment(swapped, 'tenant/x')).toThrow(
      'tenant/x: header: not the beginning of this segment',
    );
    const newer = Buffer.from(bytes);
    newer[newer.length - 16] = 9;
    expect(() => openSegment(newer, 'k')).toThrow(
      'k: trailer: format version 9 is newer than 1, the newest known here',
    );
    const dented = Buffer.from(bytes);
    dented[20] ^= 1;
    expect(() => verifySegment(dented, 'k')).toThrow(
      'k: tenant tenant-1: block 0: lines: the checksum does not match',
    );
  });
});

function expectCorrupt(run: () => unknown): void {
  let failure: unknown;
  try {
    run();
  } catch (error) {
    failure = error;
  }
  expectNamed(failure);
}

function expectNamed(failure: unknown): void {
  if (!(
    failure instanceof LokiError &&
    failure.code === 'corrupt' &&
    failure.message.startsWith('a/key: ')
  )) {
    throw new Error('damage was not found, or not named', { cause: failure });
  }
}

async function storedContents(segment: StoredSegment): Promise<string> {
  const parts: unknown[] = [segment.kind];
  for (const section of segment.sections) {
    const indices = section.blocks.map((block) => block.index);
    const blocks = await segment.fetchBlocks(section, indices, allColumns);
    for (const block of blocks) {
      const { runs, baseNs } = block.info;
      parts.push(section.tenant, String(baseNs), [...block.timestamps()], [...block.lineEnds()]);
      parts.push(block.lines().toString('latin1'));
      for (const { name, values, codes } of block.metadata()) parts.push(name, values, [...codes]);
      for (let run = 0; run < runs.count; run++) {
        parts.push(section.streams.labels(runs.stream[run]).toString());
      }
    }
  }
  return JSON.stringify(parts);
}

/**
 * An object store with one object, and tails of at most 200 bytes unless more is asked for after a first
 * look.
 */
function storeOf(bytes: Buffer): ObjectStore {
  let looks = 0;
  const store: Pick<ObjectStore, 'getRange' | 'getTail'> = {
    getRange: async (_key, offset, length) => bytes.subarray(offset, offset + length),
    getTail: async (_key, length) => {
      const size = Math.min(bytes.length, looks++ === 0 ? Math.min(200, length) : length);
      return { bytes: bytes.subarray(bytes.length - size), sizeBytes: bytes.length };
    },
  };
  return store as ObjectStore;
}
