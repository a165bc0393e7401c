import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseExpr } from './check.ts';

// Protects the meaning of a query, as a tree. One case: `== name`, the query, `--`, the tree as JSON
// (bigints as "1n"). Cases are divided by empty lines.

const cases = readFileSync(join(__dirname, 'testdata', 'trees.txt'), 'utf8')
  .trim()
  .split('\n\n')
  .map((block) => {
    const [, name, query, tree] = /^== (.*)\n([^]*?)\n--\n([^]*)$/.exec(block)!;
    return { name, query, tree };
  });

test.each(cases)('$name', ({ query, tree }) => {
  const expected: unknown = JSON.parse(tree, (_, value: unknown) =>
    typeof value === 'string' && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  );
  expect(parseExpr(query)).toEqual(expected);
});
