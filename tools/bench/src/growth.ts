/**
 * How costs grow with amounts of data: each measure at sizes a decade apart, by CPU time and memory of the
 * real process, its exponent, and a failure past its bar. The committed figures stand beside today's.
 *
 *     npm run bench:growth -- [--rows streams,catalog,…] [--sizes 1000,10000,100000] [--json FILE] [--save]
 *
 * `--save` makes today's figures of these rows the committed ones, and writes the table of docs/growth.md;
 * with `--rows=` it writes the table alone.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { endWithUsageError, readOptions } from '@loki/command-line';
import { growthPage, growthReport } from './growth-figures.ts';
import type { GrowthFile, GrowthFigures } from './growth-figures.ts';
import { growthRows } from './growth-rows.ts';

const committedFile = path.join(import.meta.dirname, '../growth.json');
const pageFile = path.join(import.meta.dirname, '../../../docs/growth.md');

const { values: options } = readOptions(import.meta.filename, {
  options: {
    rows: { type: 'string', default: [...growthRows.keys()].join() },
    sizes: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
    save: { type: 'boolean', default: false },
  },
});

const committed = readCommitted();
const results: Record<string, GrowthFigures> = {};
const faults: string[] = [];
for (const name of options.rows.split(',').filter((each) => each !== '')) {
  const row = growthRows.get(name);
  if (!row) endWithUsageError(`there is no row ${name}, but ${[...growthRows.keys()].join(', ')}`);
  const sizes = options.sizes === '' ? row.sizes : options.sizes.split(',').map(Number);
  const measured: Map<string, number>[] = [];
  for (const size of sizes) {
    console.error(`${name}: ${size}`);
    measured.push(await row.measure(size));
  }
  results[name] = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${os.cpus().length} × ${os.cpus()[0].model.trim()}, Node ${process.version}`,
    sizes,
    costs: Object.fromEntries(
      row.measures.map((measure) => [
        measure.name,
        measured.map((costs) => rounded(costs.get(measure.name)!)),
      ]),
    ),
  };
  const report = growthReport(name, row, results[name], committed[name]);
  console.log(`\n${report.table}`);
  faults.push(...report.faults);
  // After each row: a later one may fail.
  if (options.save) save();
}
if (options.json !== '') fs.writeFileSync(options.json, JSON.stringify(results, undefined, 2));
if (options.save) save();
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

/** Rows that others saved meanwhile stay. */
function save(): void {
  const all = { ...readCommitted(), ...results };
  const names = [...growthRows.keys()].filter((name) => Object.hasOwn(all, name));
  const file = Object.fromEntries(names.map((name) => [name, all[name]]));
  // As prettier has it: numbers of one list on one line.
  const text = JSON.stringify(file, undefined, 2).replace(/\[[^[\]{}"]*\]/g, (list) =>
    list.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']'),
  );
  fs.writeFileSync(committedFile, `${text}\n`);
  fs.writeFileSync(pageFile, growthPage(fs.readFileSync(pageFile, 'utf8'), growthRows, file));
}

function readCommitted(): GrowthFile {
  return JSON.parse(fs.readFileSync(committedFile, 'utf8')) as GrowthFile;
}

function rounded(cost: number): number {
  return Number(cost.toPrecision(4));
}
