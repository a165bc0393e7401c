/** Protects `|=` and its kin: the rows of a block that contain a needle, neither more nor less. */
import fc from 'fast-check';
import { rowsContaining } from './block-search.ts';

const long = 'needle'.repeat(60);
const words = ['need', 'needle', 'le', 'dle', ' ', 'x', 'ü', long];

test.each(['needle', 'n', 'eed', 'üx', long])('%s: rows are those whose line contains it', (text) => {
  const needle = Buffer.from(text);
  const line = fc.array(fc.constantFrom(...words), { maxLength: 4 }).map((parts) => parts.join(''));
  const lines = fc.array(line, { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(lines, fc.nat(), fc.nat(), (rows, a, b) => {
      let end = 0;
      const ends = Uint32Array.from(rows, (row) => (end += Buffer.byteLength(row)));
      const [from, to] = [a % (rows.length + 1), b % (rows.length + 1)].sort((x, y) => x - y);
      const out = new Uint32Array(rows.length);
      const count = rowsContaining(Buffer.from(rows.join('')), ends, from, to, needle, out);
      const expected = [...rows.keys()].filter((row) => row >= from && row < to && rows[row].includes(text));
      expect([...out.subarray(0, count)]).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
