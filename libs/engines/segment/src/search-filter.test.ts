/**
 * Protects searches from losing lines: a filter may say that a needle is not there only when it is not. And
 * it protects the filters' use: needles that are absent are mostly ruled out.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { buildSearchFilter, plainPartsOf, searchFilterBytesMax } from './filter/filter-build.ts';
import { wasmKernel } from './filter/filter-kernel.ts';
import { checkSearchFilter, FilterProbe, needleOf } from './filter/filter-probe.ts';
import { mergeSegments } from './merge/merge.ts';
import { removeRows } from './merge/remove.ts';
import { openSegment } from './read/open.ts';
import { verifySegment } from './read/verify.ts';
import { makeGolden } from './test/golden.ts';
import { NaiveKernel } from './test/naive-filter.ts';

const words = [
  'level=info',
  'GET',
  'timeout',
  'Straße',
  'żółw',
  '🐢',
  '日本',
  '{"id":',
  'a',
  '\\u0041',
  'ſ',
  'K',
];
const piece = fc.oneof(
  fc.constantFrom(...words),
  fc.string({ maxLength: 12 }),
  fc.stringMatching(/^[0-9a-f]{0,32}$/),
  fc.stringMatching(/^[A-Za-z]{1,12}$/),
);
const line = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(' '));
/** Enough lines for a filter: a few that differ, and the same again. */
const block = fc.array(line, { minLength: 1, maxLength: 30 }).map((some) => {
  const lines = [...some];
  for (let bytes = 0; bytes < 5000; bytes += 61) lines.push(`filler ${bytes} ${'x'.repeat(50)}`);
  return lines;
});

function filterOf(lines: readonly string[], metadata: { name: string; values: string[] }[] = []) {
  return buildSearchFilter({ lines: Buffer.from(lines.join('')), metadata })!;
}

function probeOf(lines: readonly string[]): FilterProbe {
  return FilterProbe.of(filterOf(lines))!;
}

const swapCase = (text: string) =>
  text.replace(/[A-Za-z]/g, (char) => (char < 'a' ? char.toLowerCase() : char.toUpperCase()));

test('the WebAssembly marks what the plain way marks, on any bytes and over chunks', () => {
  const naive = new NaiveKernel();
  const same = (bytes: Uint8Array) => {
    const kernel = wasmKernel();
    kernel.markText(bytes);
    naive.markText(bytes);
    expect(Buffer.compare(kernel.collect(), naive.collect())).toBe(0);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), same), { numRuns: 50 });
  fc.assert(
    fc.property(block, (lines) => same(Buffer.from(lines.join('')))),
    { numRuns: 20 },
  );
  same(Buffer.from(Array.from({ length: 32_000 }, (_, i) => (i * i).toString(36)).join(' ')));
});

test('every part of a line that a filter can know passes, in any case', () => {
  fc.assert(
    fc.property(block, fc.nat(), fc.nat(), fc.nat(), (lines, row, from, size) => {
      const probe = probeOf(lines);
      const bytes = Buffer.from(lines[row % lines.length]);
      const start = from % (bytes.length + 1);
      const part = bytes.subarray(start, start + (size % 60));
      for (const text of [part, Buffer.from(swapCase(part.toString('latin1')), 'latin1')]) {
        const needle = needleOf(text);
        if (text.length >= 10) expect(needle).toBeDefined();
        if (needle) expect(probe.mayContain(needle)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('a filter that lacks one of its marks is noticed by the same parts', () => {
  const lines = Array.from({ length: 200 }, (_, i) => `request ${i * 7919} of tenant-${i} took ${i * 31} ms`);
  const filter = filterOf(lines);
  let noticed = 0;
  const marks: number[] = [];
  for (let bit = 8; bit < filter.bytes.length * 8; bit += 5) {
    if (filter.bytes[bit >>> 3] & (1 << (bit & 7))) marks.push(bit);
  }
  for (const bit of marks) {
    const bytes = Uint8Array.from(filter.bytes);
    bytes[bit >>> 3] &= ~(1 << (bit & 7));
    const probe = FilterProbe.of({ kind: filter.kind, bytes })!;
    if (lines.some((text) => !probe.mayContain(needleOf(Buffer.from(text))!))) noticed++;
  }
  // The others are of grams across the ends of lines.
  expect(noticed / marks.length).toBeGreaterThan(0.7);
});

test('needles that no line has are mostly ruled out', () => {
  const random = (i: number, size: number) =>
    createHash('sha256').update(`${i}`).digest('hex').slice(0, size);
  const lines = Array.from({ length: 3000 }, (_, i) => {
    const trace = i % 10 === 0 ? random(i, 32) : '-';
    return `level=info caller=server.go:${i % 50} trace=${trace} msg="request served in ${i} ms"`;
  });
  const probe = probeOf(lines);
  const share = (size: number) => {
    let passes = 0;
    for (let i = 0; i < 500; i++) {
      const absent = random(1_000_003 + i * 17, size);
      if (lines.some((text) => text.includes(absent))) continue;
      if (probe.mayContain(needleOf(Buffer.from(absent))!)) passes++;
    }
    return passes / 500;
  };
  expect(share(32)).toBeLessThan(0.01);
  expect(share(16)).toBeLessThan(0.1);
  for (const word of ['deadlock', 'panic', 'OOMKilled']) {
    expect(probe.mayContain(needleOf(Buffer.from(word))!)).toBe(false);
  }
});

test('short texts without four letters in a row are not for filters', () => {
  expect(needleOf(Buffer.from('GET'))).toBeUndefined();
  expect(needleOf(Buffer.from('10.0.0.1'))).toBeUndefined();
  expect(needleOf(Buffer.from('time'))).toBeDefined();
});

test('where lines have ſ or K, filters say nothing of texts that may mean these', () => {
  const needle = needleOf(Buffer.from('deadlock'), { hasTwins: true })!;
  expect(probeOf(['all is well'.repeat(500)]).mayContain(needle)).toBe(false);
  for (const twin of ['ſ', '\u212a']) {
    expect(probeOf([`all is well${twin}`.repeat(500)]).mayContain(needle)).toBe(true);
  }
});

test('where lines escape plain characters, filters say nothing of values of JSON', () => {
  const needle = needleOf(Buffer.from('deadlock'), { mayBeEscaped: true })!;
  const probe = (text: string) => probeOf([text.repeat(700)]);
  expect(probe('{"a":"\\u003cb\\u003e"}').mayContain(needle)).toBe(false);
  expect(probe('{"a":"\\u0064eadlock"}').mayContain(needle)).toBe(true);
  expect(plainPartsOf('a"b/c d:1')).toEqual(['a', 'b', 'c d:1']);
});

test('pairs of metadata are known by name and value', () => {
  const lines = ['filler '.repeat(1000)];
  const values = Array.from({ length: 300 }, (_, i) => `trace-${i}`);
  const probe = FilterProbe.of(filterOf(lines, [{ name: 'trace_id', values }]))!;
  for (const value of values) expect(probe.mayHavePair('trace_id', value)).toBe(true);
  const others = values.filter((value) => probe.mayHavePair('span_id', value)).length;
  expect(others).toBeLessThan(100);
});

test('noise gets a filter of at most its share of bytes, or none; few lines get none', () => {
  const noise = Buffer.alloc(1 << 20);
  for (let i = 0, state = 1; i < noise.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    noise[i] = state >>> 16;
  }
  const filter = buildSearchFilter({ lines: noise, metadata: [] });
  expect(filter?.bytes.length ?? 0).toBeLessThan(noise.length * 0.02);
  expect(buildSearchFilter({ lines: Buffer.alloc(100), metadata: [] })).toBeUndefined();
});

test('bytes that are no filter are refused', () => {
  for (const size of [0, 1, 8, 10, 18, searchFilterBytesMax * 2 - 1]) {
    expect(() => checkSearchFilter(new Uint8Array(size))).toThrow('a search filter of');
  }
  expect(() => checkSearchFilter(Uint8Array.from({ length: 9 }, () => 4))).toThrow('flags 4');
  expect(() => checkSearchFilter(new Uint8Array(9))).not.toThrow();
});

test('a segment whose filter misses a mark does not verify; one that lost rows does', () => {
  const bytes = makeGolden('filtered');
  const buildFilter: typeof buildSearchFilter = (columns) => {
    const filter = buildSearchFilter(columns)!;
    const at = filter.bytes.findLastIndex((byte) => byte !== 0);
    filter.bytes[at] &= filter.bytes[at] - 1;
    return filter;
  };
  const damaged = mergeSegments([{ bytes }], { kind: 'compacted', buildFilter }).bytes;
  expect(() => verifySegment(damaged)).toThrow('the search filter misses what the lines hold');
  const removed = removeRows(bytes, [{ tenant: 'tenant-1', block: 0, rows: Uint32Array.of(3, 9) }]);
  expect(openSegment(removed).sections[0].blocks[0].filterKind).toBe(1);
  verifySegment(removed);
});
