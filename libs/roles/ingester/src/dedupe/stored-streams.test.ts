// Late rows are compared with committed rows: exactly, and at a cost that does not grow with their number.
import fc from 'fast-check';
import type { Clock, ObjectStore, Timers } from '@loki/ports';
import { columns, mergeSegments, openSegment, readSegment } from '@loki/segment';
import type { StoredSegment } from '@loki/segment';
import { EntryHasher } from '../head/entry-hasher.ts';
import { decodeRows, encodeRows, labelsOf, rowText } from '../test/records.ts';
import type { Row } from '../test/records.ts';
import { findStream, StoredStreams } from './stored-streams.ts';

const base: Row = { app: 'x', ns: 1_700_000_000_000_000_000n, line: 'one' };

async function stored(rows: readonly Row[], blockBytes?: number): Promise<StoredSegment> {
  const { bytes } = mergeSegments([{ bytes: encodeRows(rows) }], { kind: 'flushed', blockBytes });
  const store = {
    getTail: (_: string, size: number) =>
      Promise.resolve({ bytes: bytes.subarray(-size), sizeBytes: bytes.length }),
    getRange: (_: string, offset: number, length: number) =>
      Promise.resolve(bytes.subarray(offset, offset + length)),
  } as unknown as ObjectStore;
  return readSegment(store, 'segments/0/0-1-test');
}

function newStreams(): StoredStreams {
  return new StoredStreams({
    clock: { monotonicMs: () => 0 } as Clock,
    timers: { sleep: () => Promise.resolve() } as unknown as Timers,
    hasher: new EntryHasher(Buffer.from('a secret')),
  });
}

/** Texts of the rows of a push of stream x that the segment has. */
async function marked(
  streams: StoredStreams,
  segment: StoredSegment,
  push: readonly Row[],
): Promise<string[]> {
  const incoming = openSegment(encodeRows(push));
  const [section] = incoming.sections;
  const [info] = section.blocks;
  const all = columns.timestamps | columns.lineLengths | columns.lines | columns.metadata;
  const found = new Uint8Array(info.rowCount);
  const rows = { block: incoming.block(section, 0, all), first: 0, end: info.rowCount };
  const [other] = segment.sections;
  const place = { segment, section: other, stream: findStream(other, labelsOf('x'))! };
  const count = await streams.mark(place, { rows, marks: found });
  const texts = decodeRows(incoming).filter((_, row) => found[row] === 1);
  expect(texts).toHaveLength(count);
  return texts;
}

test('late rows are found among committed ones, by the walk of the first pushes and by the index of later ones', async () => {
  const row = fc.record({
    app: fc.constant('x'),
    ns: fc.integer({ min: 0, max: 3 }).map((n) => base.ns + BigInt(n) * 700n),
    line: fc.integer({ min: 0, max: 40 }).map((n) => `line ${n}`),
    metadata: fc.constantFrom<Row['metadata']>([], [['k', 'v']]),
  });
  const rows = fc.array(row, { minLength: 1, maxLength: 80 });
  const pushes = fc.array(fc.array(row, { minLength: 1, maxLength: 6 }), { minLength: 9, maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(rows, pushes, async (committed, late) => {
      const segment = await stored([...committed, { ...base, app: 'y' }], 300);
      const known = new Set(committed.map(rowText));
      const streams = newStreams();
      for (const push of late) {
        const repeats = [...new Set(push.map(rowText))].filter((text) => known.has(text));
        expect((await marked(streams, segment, push)).sort()).toEqual(repeats.sort());
      }
    }),
    { numRuns: 100 },
  );
});

// A client that repeats one timestamp made each push read all committed rows of it.
test('the hundredth late push reads no more than its own rows need', async () => {
  const rows = Array.from({ length: 4_000 }, (_, i) => ({
    ...base,
    line: `line ${i} of a service`.padEnd(200),
  }));
  const segment = await stored(rows, 20_000);
  const blockCount = segment.sections[0].blocks.length;
  expect(blockCount).toBeGreaterThan(20);
  let fetches = 0;
  const fetchBlock = segment.fetchBlock.bind(segment);
  segment.fetchBlock = (...args) => {
    fetches++;
    return fetchBlock(...args);
  };
  const streams = newStreams();
  for (let i = 0; i < 100; i++) {
    if (i === 20) fetches = 0;
    expect(await marked(streams, segment, [{ ...base, line: `new ${i}` }, rows[i * 30]])).toHaveLength(1);
  }
  expect(fetches).toBeLessThan(2 * blockCount);
});

// Eight streams whose lines came late by seconds, from many clients, were indexed whole and anew for each
// record: a partition needed half an hour for the lines of a minute.
test('rows that are late by little read the end of the stored stream, however many of them come', async () => {
  const rows = Array.from({ length: 4_000 }, (_, i) => ({
    ...base,
    ns: base.ns + BigInt(i) * 1_000_000n,
    line: `line ${i} of a service`.padEnd(200),
  }));
  const segment = await stored(rows, 20_000);
  expect(segment.sections[0].blocks.length).toBeGreaterThan(20);
  const fetched = new Set<number>();
  const fetchBlock = segment.fetchBlock.bind(segment);
  segment.fetchBlock = (section, index, ...args) => {
    fetched.add(index);
    return fetchBlock(section, index, ...args);
  };
  const streams = newStreams();
  for (let i = 0; i < 40; i++) {
    const late = rows[3_990 - i];
    expect(await marked(streams, segment, [late, { ...late, line: `new ${i}` }])).toHaveLength(1);
  }
  expect(fetched.size).toBeLessThan(4);
});
