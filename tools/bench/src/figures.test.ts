/** Protects the comparison of benchmarks: a slower loop shows as slower, on a slower machine too. */
import { compareFigures, figureTable } from './figures.ts';
import type { FigureSet } from './figures.ts';
import { reportPage } from './report.ts';

const set = (yardstick: number, values: Record<string, number>): FigureSet => ({
  date: '2026-01-01',
  machine: '2 × a machine <fast>',
  rows: 1000,
  yardstick,
  figures: [
    { name: 'scan', kind: 'cpu', value: values.cpu },
    { name: 'scan', kind: 'latency', value: values.ms },
    { name: 'segment "a" & b', kind: 'bytes', value: values.bytes },
  ],
});
const committed = set(1, { cpu: 2, ms: 10, bytes: 0.2 });

test('figures are compared by kind and name, and times by the pace of the machine', () => {
  const today = set(2, { cpu: 4, ms: 30, bytes: 0.1 });
  const ratios = compareFigures(today, committed).map(({ kind, ratio }) => [kind, ratio]);
  expect(ratios).toEqual([
    ['cpu', 1],
    ['latency', 1.5],
    ['bytes', 0.5],
  ]);
});

test('a figure that is new has no ratio', () => {
  const [first] = compareFigures(committed, undefined);
  expect(first).toMatchObject({ value: 2, before: undefined, ratio: undefined });
  expect(figureTable([first])).toContain('| scan | CPU s/GB | - | 2.00 | - |');
});

test('the page has two bars and a ratio for each figure, in a plot for each kind, and names as text', () => {
  const today = set(1, { cpu: 3, ms: 10, bytes: 0.1 });
  const page = reportPage(compareFigures(today, committed), today, committed);
  expect(page.match(/<rect class="today" x=/g)).toHaveLength(3);
  expect(page.match(/<rect class="before" x="300"/g)).toHaveLength(3);
  expect(page.match(/<svg [^>]*viewBox/g)).toHaveLength(3);
  expect(page).toContain('<tspan class="worse">× 1.50</tspan>');
  expect(page).toContain('<tspan class="better">× 0.50</tspan>');
  expect(page).toContain('segment &#34;a&#34; &#38; b');
  expect(page).not.toContain('<fast>');
  // The committed scan is two thirds of today's, and so is its bar.
  const widths = [...page.matchAll(/<rect class="(?:today|before)" x="300"[^>]* width="([\d.]+)"/g)].map(
    ([, width]) => Number(width),
  );
  expect(widths[3] / widths[2]).toBeCloseTo(2 / 3, 2);
  expect(page).not.toContain('logarithmic');
});

test('a plot whose figures differ by more than fifty times says that its scale is logarithmic', () => {
  const today = set(1, { cpu: 0.01, ms: 10, bytes: 0.1 });
  const page = reportPage(compareFigures(today, committed), today, committed);
  expect(page.match(/CPU s\/GB, logarithmic scale/g)).toHaveLength(1);
  expect(page.match(/logarithmic/g)).toHaveLength(1);
});
