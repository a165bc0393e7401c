/** Protects the committed figures of growth: they stand beside today's, and the docs' page shows them all. */
import fs from 'node:fs';
import path from 'node:path';
import { growthPage, growthReport, growthSources, growthTable } from './growth-figures.ts';
import type { GrowthFile, GrowthFigures, JudgedRow } from './growth-figures.ts';
import { growthRows } from './growth-rows.ts';

const row: JudgedRow = {
  of: 'streams',
  measures: [
    { name: 'a look', unit: 's', bar: { costMax: 0.5, atSize: 1_000, exponentMax: 1, floor: 0.001 } },
    { name: 'memory', unit: 'MiB', bar: { floor: 1 } },
  ],
};

function figures(look: readonly number[]): GrowthFigures {
  const costs = { 'a look': look, memory: [10, 20, 30.4] };
  return { date: '2026-01-02', machine: '2 × fast', sizes: [10, 100, 1_000], costs };
}

test('a run stands beside the committed figures of the same sizes', () => {
  const committed = { ...figures([0.001, 0.01, 0.1]), sizes: [100, 1_000, 10_000] };
  const { table, faults } = growthReport('looks', row, figures([0.004, 0.04, 0.4]), committed);
  expect(table).toContain('| looks; in brackets: 2026-01-02, 2 × fast | 10 | 100 | 1000 |');
  expect(table).toContain('| a look (CPU s) | 0.004 | 0.04 (0.001) | 0.4 (0.01) | 1.00 | 0.5 |');
  expect(table).toContain('| memory (MiB) | 10 | 20 (10) | 30 (20) | 0.24 |  |');
  expect(faults).toEqual([]);
});

test('a figure past its bar is marked in the run and in the docs', () => {
  const today = figures([0.006, 0.06, 0.6]);
  const { table, faults } = growthReport('looks', row, today, undefined);
  expect(table).toContain('| 0.5 | **past its bar**');
  expect(faults).toEqual(['looks: a look: costs 0.600 at 1000, at most 0.5']);
  const page = growthTable(new Map([['looks', row]]), { looks: today });
  expect(page).toContain('**no**: costs 0.600 at 1000, at most 0.5');
  expect(page).toContain('| looks, streams | memory (MiB) | 10: 10 · 100: 20 · 1,000: 30 | 0.24 |  | yes |');
});

test('rows of one run share the line of their date and machine', () => {
  const other = { ...figures([1, 1, 1]), date: '2026-01-03' };
  expect(growthSources({ a: figures([1]), b: other, c: figures([1]) })).toBe(
    '2026-01-02, 2 × fast: a, c.\n2026-01-03, 2 × fast: b.',
  );
});

test('the page of the docs shows the committed figures', () => {
  const root = path.join(import.meta.dirname, '../../..');
  const page = fs.readFileSync(path.join(root, 'docs/growth.md'), 'utf8');
  const file = JSON.parse(fs.readFileSync(path.join(root, 'tools/bench/growth.json'), 'utf8')) as GrowthFile;
  // `npm run bench:growth -- --rows= --save` writes it anew.
  expect(page).toBe(growthPage(page, growthRows, file));
});

test('the committed figures are of rows and measures that exist, at all their sizes', () => {
  const file = JSON.parse(
    fs.readFileSync(path.join(import.meta.dirname, '../growth.json'), 'utf8'),
  ) as GrowthFile;
  for (const [name, { sizes, costs }] of Object.entries(file)) {
    const row = growthRows.get(name);
    expect([name, sizes]).toEqual([name, row?.sizes]);
    expect([name, Object.keys(costs)]).toEqual([name, row?.measures.map((measure) => measure.name)]);
    for (const each of Object.values(costs)) expect(each).toHaveLength(sizes.length);
  }
});
