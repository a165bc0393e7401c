/**
 * How costs grow with amounts of data: each measure at sizes a decade apart, by CPU time and memory of the
 * real process, its exponent, and a failure past its bar.
 *
 *     npm run bench:growth -- [--rows streams,catalog,tenants,live,merges,compaction,ring,news,commits,appends,heads] [--sizes 1000,10000,100000] [--json FILE]
 */
import fs from 'node:fs';
import { endWithUsageError, readOptions } from '@loki/command-line';
import { appendMeasures, measureAppends } from './growth-appends.ts';
import { catalogMeasures, measureCatalog, measureTenants, tenantMeasures } from './growth-catalog.ts';
import { commitMeasures, measureCommits } from './growth-commits.ts';
import { compactionMeasures, measureCompaction } from './growth-compaction.ts';
import { headMeasures, measureHeads } from './growth-heads.ts';
import { judgeGrowth } from './growth-judge.ts';
import type { Measure } from './growth-judge.ts';
import { liveMeasures, measureLive } from './growth-live.ts';
import { measureMerges, mergeMeasures } from './growth-merges.ts';
import { measureNews, newsMeasures } from './growth-news.ts';
import { measureRing, ringMeasures } from './growth-ring.ts';
import { measureStreams, streamMeasures } from './growth-streams.ts';

interface Row {
  /** A decade apart, unless `--sizes` says otherwise. */
  readonly sizes: readonly number[];
  readonly measures: readonly Measure[];
  /** Costs by the names of measures. */
  measure(size: number): Promise<Map<string, number>>;
}

const defaultSizes = [1_000, 10_000, 100_000];

const rows: ReadonlyMap<string, Row> = new Map([
  ['streams', { sizes: defaultSizes, measures: streamMeasures, measure: measureStreams }],
  ['catalog', { sizes: [10_000, 100_000, 1_000_000], measures: catalogMeasures, measure: measureCatalog }],
  ['tenants', { sizes: [10, 100, 1_000], measures: tenantMeasures, measure: measureTenants }],
  ['live', { sizes: [100, 1_000, 10_000], measures: liveMeasures, measure: measureLive }],
  ['merges', { sizes: [10_000, 100_000, 1_000_000], measures: mergeMeasures, measure: measureMerges }],
  ['compaction', { sizes: [10, 100, 1_000], measures: compactionMeasures, measure: measureCompaction }],
  ['ring', { sizes: [10, 100, 1_000], measures: ringMeasures, measure: measureRing }],
  ['news', { sizes: [10, 100, 1_000], measures: newsMeasures, measure: measureNews }],
  ['commits', { sizes: [100, 1_000, 10_000], measures: commitMeasures, measure: measureCommits }],
  ['appends', { sizes: [2, 20, 200], measures: appendMeasures, measure: measureAppends }],
  ['heads', { sizes: [10, 100, 1_000], measures: headMeasures, measure: measureHeads }],
]);

const { values: options } = readOptions(import.meta.filename, {
  options: {
    rows: { type: 'string', default: [...rows.keys()].join() },
    sizes: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
  },
});

const results: Record<string, unknown> = {};
const faults: string[] = [];
for (const name of options.rows.split(',')) {
  const row = rows.get(name);
  if (!row) endWithUsageError(`there is no row ${name}, but ${[...rows.keys()].join(', ')}`);
  const sizes = options.sizes === '' ? row.sizes : options.sizes.split(',').map(Number);
  const costs: Map<string, number>[] = [];
  for (const size of sizes) {
    console.error(`${name}: ${size}`);
    costs.push(await row.measure(size));
  }
  results[name] = costs.map((each, i) => ({ size: sizes[i], ...Object.fromEntries(each) }));
  faults.push(...report(name, row.measures, sizes, costs));
}
if (options.json !== '') fs.writeFileSync(options.json, JSON.stringify({ results }, undefined, 2));
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

/** Prints a table, and returns the figures above their bounds. */
function report(
  row: string,
  measures: readonly Measure[],
  sizes: readonly number[],
  costs: readonly Map<string, number>[],
): string[] {
  const excesses: string[] = [];
  console.log(`\n| ${row} | ${sizes.join(' | ')} | exponent | at most |`);
  console.log(`|---|${sizes.map(() => '---|').join('')}---|---|`);
  for (const { name, unit, bar } of measures) {
    const points = sizes.map((size, i) => ({ size, cost: costs[i].get(name)! }));
    const verdict = judgeGrowth(points, bar);
    const cells = points.map(({ cost }) => (unit === 'MiB' ? cost.toFixed(0) : cost.toPrecision(2)));
    const isJudged = sizes.includes(bar.atSize ?? 0);
    const mark = verdict.faults.length > 0 ? ' **past its bar**' : '';
    console.log(
      `| ${name} (${unit === 's' ? 'CPU s' : unit}) | ${cells.join(' | ')} | ${verdict.exponent.toFixed(2)} |` +
        ` ${isJudged ? bar.costMax : ''} |${mark}`,
    );
    excesses.push(...verdict.faults.map((fault) => `${row}: ${name}: ${fault}`));
  }
  return excesses;
}
