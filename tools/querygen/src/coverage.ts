/** Counts comparisons by mode, and whether each mode was really in effect. */
import { layouts } from './layouts.ts';
import type { Layout } from './layouts.ts';
import type { Route } from './routes.ts';
import type { Standing } from './world.ts';

/** Features that took part in an answer. */
export interface Happened {
  readonly isSplit: boolean;
  readonly isSharded: boolean;
  readonly isRecalled: boolean;
}

/**
 * Compared answers of one route from one layout, and the number of them in which the route's feature was in
 * effect.
 */
interface Cell {
  compared: number;
  split: number;
  sharded: number;
  recalled: number;
}

/** Shares of the comparisons: below, a route does not test its feature. */
const cutShareMin = 0.2;
const recalledShareMin = 0.2;
/** Fewer comparisons than this prove nothing. */
const tellingMin = 100;

/** Comparisons of each way, and whether its feature was in effect. */
export class Coverage {
  readonly #cells = new Map<string, Cell>();
  readonly #routes = new Map<string, Route>();
  readonly #standing = new Map<string, Standing>();
  /** Routes with a feature in effect that they must not have. */
  readonly #wrong = new Set<string>();

  add(layout: string, route: Route, happened: Happened): void {
    this.#routes.set(route.name, route);
    const key = keyOf(layout, route.name);
    const cell = this.#cells.get(key) ?? { compared: 0, split: 0, sharded: 0, recalled: 0 };
    this.#cells.set(key, cell);
    cell.compared++;
    cell.split += Number(happened.isSplit);
    cell.sharded += Number(happened.isSharded);
    cell.recalled += Number(happened.isRecalled);
    if (happened.isSplit && !route.isSplit) this.#wrong.add(`'${route.name}' was split`);
    if (happened.isSharded && !route.isSharded) this.#wrong.add(`'${route.name}' was sharded`);
    if (happened.isRecalled && !route.isCached) this.#wrong.add(`'${route.name}' was answered from a cache`);
  }

  /** Adds the places of a data set's rows in a layout. */
  addStanding(layout: Layout, { headRows, storedRows, compactedRows }: Standing): void {
    const sums = this.#standing.get(layout.name) ?? { headRows: 0, storedRows: 0, compactedRows: 0 };
    this.#standing.set(layout.name, {
      headRows: sums.headRows + headRows,
      storedRows: sums.storedRows + storedRows,
      compactedRows: sums.compactedRows + compactedRows,
    });
  }

  /** Features that the campaign names but did not use; empty: none. Few comparisons prove nothing. */
  lacking(): string[] {
    const lacking = [...this.#wrong];
    for (const route of this.#routes.values()) {
      const all = this.#sum((name, layout) => name === route.name && layout.name !== '');
      const stored = this.#sum((name, layout) => name === route.name && !isHead(layout));
      const tell = (verb: string, happened: number, of: number, shareMin: number) => {
        if (of >= tellingMin && happened < of * shareMin) {
          lacking.push(`'${route.name}' was ${verb} ${happened} times of ${of}`);
        }
      };
      if (route.isSplit) tell('split', all.split, all.compared, cutShareMin);
      if (route.isSharded) tell('sharded', all.sharded, all.compared, cutShareMin);
      // Heads are always asked: only answers of the store are cached.
      if (route.isCached) tell('answered from the cache', stored.recalled, stored.compared, recalledShareMin);
    }
    for (const layout of layouts) {
      const rowCounts = this.#standing.get(layout.name);
      if (rowCounts) lacking.push(...misplaced(layout, rowCounts));
    }
    return lacking;
  }

  /** Comparisons by route and layout, as a table of text. */
  table(): string {
    const columns = layouts.map(({ name }) => name);
    const rows = [...this.#routes.values()].map(({ name, isSplit, isSharded, isCached }) => {
      const all = this.#sum((route) => route === name);
      const stored = this.#sum((route, layout) => route === name && !isHead(layout));
      const shares = [
        ...(isSplit ? [`split ${percent(all.split, all.compared)}`] : []),
        ...(isSharded ? [`sharded ${percent(all.sharded, all.compared)}`] : []),
        ...(isCached
          ? [`from the cache ${percent(stored.recalled, stored.compared)} of what is stored`]
          : []),
      ];
      const counts = columns.map((layout) => String(this.#cells.get(keyOf(layout, name))?.compared ?? 0));
      return [name, ...counts, String(all.compared), shares.join(', ')];
    });
    const sums = columns.map((column) => String(this.#sum((_, { name }) => name === column).compared));
    const sumOf = (pick: (each: Standing) => number) =>
      columns.map((column) => String(pick(this.#standing.get(column) ?? nowhere)));
    return aligned([
      ['compared', ...columns, 'all', ''],
      ...rows.sort((a, b) => a[0].length - b[0].length),
      ['all', ...sums, String(this.#sum(() => true).compared), ''],
      ['rows in heads', ...sumOf((each) => each.headRows), '', ''],
      ['rows stored', ...sumOf((each) => each.storedRows), '', ''],
      ['of them compacted', ...sumOf((each) => each.compactedRows), '', ''],
    ]);
  }

  #sum(matches: (route: string, layout: Layout) => boolean): Cell {
    const sum: Cell = { compared: 0, split: 0, sharded: 0, recalled: 0 };
    for (const layout of layouts) {
      for (const route of this.#routes.keys()) {
        const cell = this.#cells.get(keyOf(layout.name, route));
        if (!cell || !matches(route, layout)) continue;
        for (const key of Object.keys(sum) as (keyof Cell)[]) sum[key] += cell[key];
      }
    }
    return sum;
  }
}

const nowhere: Standing = { headRows: 0, storedRows: 0, compactedRows: 0 };

function keyOf(layout: string, route: string): string {
  return `${route}, ${layout}`;
}

function isHead({ steps }: Layout): boolean {
  return steps.length === 0;
}

/** Rows that are elsewhere than the layout says. */
function misplaced(layout: Layout, { headRows, storedRows, compactedRows }: Standing): string[] {
  const last = layout.steps.at(-1);
  const wants = {
    'rows in heads': last?.[0] !== 1,
    'stored rows': last !== undefined,
    'compacted rows': layout.steps.some(([, action]) => action === 'compact'),
  };
  const has = { 'rows in heads': headRows, 'stored rows': storedRows, 'compacted rows': compactedRows };
  return (Object.keys(has) as (keyof typeof has)[])
    .filter((field) => wants[field] !== has[field] > 0)
    .map((field) => `'${layout.name}' has ${has[field]} ${field}`);
}

function percent(part: number, of: number): string {
  return of === 0 ? '-' : `${Math.round((100 * part) / of)} %`;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
