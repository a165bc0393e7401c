/** Protects line filters by expressions: rows that a search for literals leaves out must not match. */
import fc from 'fast-check';
import { compileRegex } from './regex.ts';

/** A block of the lines: their bytes, and where each ends. */
function blockOf(rows: readonly string[]): { lines: Buffer; ends: Uint32Array } {
  let end = 0;
  const ends = Uint32Array.from(rows, (row) => (end += Buffer.byteLength(row)));
  return { lines: Buffer.from(rows.join('')), ends };
}

function foundRows(source: string, rows: readonly string[]): number[] {
  const { lines, ends } = blockOf(rows);
  const out = new Uint32Array(rows.length);
  return [...out.subarray(0, compileRegex(source).findRows(lines, ends, out))];
}

/** Too long for the kernel of searches. */
const long = 'Long'.repeat(80);
const words = [
  'error',
  'ERROR',
  'ErRor',
  'status',
  'S',
  'ſtatus',
  '\u212aind',
  'kind',
  '503',
  '"',
  ' ',
  '\n',
  long,
];

test.each([
  'error',
  '(?i)error',
  '(?i)status',
  '(?i)kind|error',
  'error.*status.*503',
  '(?i)error.*kind',
  'status.*(error|503)',
  '(error|status|503).*kind',
  long,
  `(?i)${long}`,
  `${long}.*error`,
])('%s: rows of a block are those whose line matches', (source) => {
  const line = fc.array(fc.constantFrom(...words), { maxLength: 6 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (rows) => {
      const regex = compileRegex(source);
      const expected = rows.flatMap((row, i) => (regex.testBytes(Buffer.from(row)) ? [i] : []));
      expect(foundRows(source, rows)).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

test('a literal that runs from one line into the next is in neither', () => {
  expect(foundRows('error', ['er', 'ror', 'an error', 'err', 'or'])).toEqual([2]);
  expect(foundRows('(?i)error', ['eR', 'Ror', 'an Error', 'err', 'or'])).toEqual([2]);
});
