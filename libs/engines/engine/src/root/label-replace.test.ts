import { parseExpr } from '@loki/logql';
import type { LabelReplaceExpr } from '@loki/logql';
import { expectCostGrowth } from '@loki/test-tools';
import { MemoryBudget } from '../common/memory-budget.ts';
import { replaceLabels } from './label-replace.ts';
import { constantRow } from './rows.ts';
import type { SeriesRow } from './rows.ts';

// Values that label_replace makes live on the thread that everybody shares: a query of 1 KB made one of 501
// MB.

function run(replacement: string, pattern: string, sources: readonly string[], memory = new MemoryBudget()) {
  const text = `label_replace(rate({a="b"}[1m]), "to", "${replacement}", "from", "${pattern}")`;
  const rows = sources.map((value): SeriesRow => ({ ...constantRow(1, 1), labels: [['from', value]] }));
  const work = replaceLabels(parseExpr(text) as LabelReplaceExpr, rows, memory);
  for (let pauses = 0; ; pauses++) {
    const next = work.next();
    if (next.done) return { rows: next.value, pauses };
  }
}

test('a value of more than a million characters is refused, however long it would be', async () => {
  const value = 'x'.repeat(1 << 20);
  const prepare = (copies: number) => () =>
    expect(() => run('$1'.repeat(copies), '(.*)', [value])).toThrow(
      'a replacement makes a text of more than 1048576 characters',
    );
  await expectCostGrowth(prepare, { small: 2, large: 500, timesMax: 20 });
});

test('one that is longer already may be copied', () => {
  const value = 'x'.repeat((1 << 20) + 5);
  expect(run('$1', '(.*)', [value]).rows[0].labels).toEqual([
    ['from', value],
    ['to', value],
  ]);
});

test('all values together are charged as they are made', () => {
  const sources = Array.from({ length: 100 }, (_, i) => `${i}`.repeat(1000));
  expect(() => run('$1'.repeat(100), '(.*)', sources, new MemoryBudget(4 << 20))).toThrow(
    'the query needs too much memory (limit: 4 MiB)',
  );
});

test('others have their turn between values that take long', () => {
  const sources = Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(100_000, 'x'));
  expect(run('$1', '(.*)', sources).pauses).toBeGreaterThan(15);
});

test('a regular expression that would hold the thread is refused', () => {
  const hostile = (branches: number) =>
    Array.from({ length: branches }, (_, i) => `a.{${900 + i}}[c-z]`).join('|');
  expect(() => run('x', hostile(30), [])).toThrow('regular expression of label_replace is too large');
  expect(() => run('x', hostile(8), ['a'.repeat(100_000)])).toThrow(
    /regular expression of \d+ instructions is too expensive/,
  );
});
