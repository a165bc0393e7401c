/** Figures of growth: kept in the tree, printed beside those of today, and shown by a page of the docs. */
import { judgeGrowth } from './growth-judge.ts';
import type { Measure } from './growth-judge.ts';

/** Figures of one row's last committed run. */
export interface GrowthFigures {
  readonly date: string;
  readonly machine: string;
  readonly sizes: readonly number[];
  /** By the name of a measure: its cost at each size. */
  readonly costs: Readonly<Record<string, readonly number[]>>;
}

/** Content of the committed file: by the name of a row. */
export type GrowthFile = Readonly<Record<string, GrowthFigures>>;

/** The parts of a row that its figures are judged by. */
export interface JudgedRow {
  readonly of: string;
  readonly measures: readonly Measure[];
}

/**
 * A table of one run, each cost beside the committed one of that size, and the sentences about figures past
 * their bars.
 *
 * @param today costs by the names of all measures
 */
export function growthReport(
  name: string,
  row: JudgedRow,
  today: GrowthFigures,
  committed: GrowthFigures | undefined,
): { table: string; faults: string[] } {
  const { sizes } = today;
  const faults: string[] = [];
  const beside = committed ? `; in brackets: ${committed.date}, ${committed.machine}` : '';
  const lines = [
    `| ${name}${beside} | ${sizes.join(' | ')} | exponent | at most |`,
    `|---|${sizes.map(() => '---|').join('')}---|---|`,
  ];
  for (const measure of row.measures) {
    const costs = today.costs[measure.name];
    const verdict = judge(measure, sizes, costs);
    const cells = sizes.map((size, i) => {
      const before = committed?.costs[measure.name]?.[committed.sizes.indexOf(size)];
      return costText(measure, costs[i]) + (before === undefined ? '' : ` (${costText(measure, before)})`);
    });
    const mark = verdict.faults.length > 0 ? ' **past its bar**' : '';
    const bar = sizes.includes(measure.bar.atSize ?? 0) ? measure.bar.costMax : '';
    lines.push(
      `| ${measure.name} (${unitText(measure)}) | ${cells.join(' | ')} | ${verdict.exponent.toFixed(2)} |` +
        ` ${bar} |${mark}`,
    );
    faults.push(...verdict.faults.map((fault) => `${name}: ${measure.name}: ${fault}`));
  }
  return { table: lines.join('\n'), faults };
}

/** The committed figures as a table for the docs: a line for each measure, with its bar and the verdict. */
export function growthTable(rows: ReadonlyMap<string, JudgedRow>, file: GrowthFile): string {
  const lines = ['| row | measure | size: cost | exponent | at most | met |', '|---|---|---|---|---|---|'];
  for (const [name, { of, measures }] of rows) {
    const figures = file[name];
    if (!figures) continue;
    for (const measure of measures) {
      const { sizes } = figures;
      const costs = figures.costs[measure.name];
      if (!costs) continue;
      const { exponent, faults } = judge(measure, sizes, costs);
      const points = sizes.map((size, i) => `${size.toLocaleString('en')}: ${costText(measure, costs[i])}`);
      const cells = [
        `${name}, ${of}`,
        `${measure.name} (${unitText(measure)})`,
        points.join(' · '),
        exponent.toFixed(2),
        barText(measure),
        faults.length === 0 ? 'yes' : `**no**: ${faults.join('; ')}`,
      ];
      lines.push(`| ${cells.join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

/** Dates and machines of the committed figures, the rows of one run together. */
export function growthSources(file: GrowthFile): string {
  const rowsOf = new Map<string, string[]>();
  for (const [name, { date, machine }] of Object.entries(file)) {
    const source = `${date}, ${machine}`;
    rowsOf.set(source, [...(rowsOf.get(source) ?? []), name]);
  }
  return [...rowsOf].map(([source, names]) => `${source}: ${names.join(', ')}.`).join('\n');
}

const [begin, end] = ['<!-- figures -->', '<!-- end of figures -->'];

/** The page with the tables of the committed figures between its two marks. */
export function growthPage(page: string, rows: ReadonlyMap<string, JudgedRow>, file: GrowthFile): string {
  const [head, rest] = page.split(begin);
  const tail = rest?.split(end)[1];
  if (tail === undefined) throw new Error(`the page has no ${begin} … ${end}`);
  return `${head}${begin}\n\n${growthSources(file)}\n\n${growthTable(rows, file)}\n\n${end}${tail}`;
}

function judge(measure: Measure, sizes: readonly number[], costs: readonly number[]) {
  return judgeGrowth(
    sizes.map((size, i) => ({ size, cost: costs[i] })),
    measure.bar,
  );
}

function costText({ unit }: Measure, cost: number): string {
  if (unit === 'MiB' || cost >= 100) return cost.toFixed(0);
  return String(Number(cost.toPrecision(2)));
}

function unitText({ unit }: Measure): string {
  return unit === 's' ? 'CPU s' : unit;
}

function barText({ bar: { costMax, atSize, exponentMax } }: Measure): string {
  const parts: string[] = [];
  if (costMax !== undefined && atSize !== undefined) {
    parts.push(`${String(Number(costMax.toPrecision(3)))} at ${atSize.toLocaleString('en')}`);
  }
  if (exponentMax !== undefined) parts.push(`exponent ${exponentMax}`);
  return parts.join(', ');
}
