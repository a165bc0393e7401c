/**
 * Measures the hot loops, prints today's figures beside the committed ones, and may write a page of plots.
 *
 *     npm run bench -- [--rows 100000] [--only TEXT] [--report [--out bench.html]] [--save]
 *
 * Each figure is the least of several runs in one thread. A fixed computation, the yardstick, measures the
 * present speed of the machine; ratios are corrected by it. `--save` makes today's figures the committed
 * ones.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { loadHash } from '@loki/model';
import { compareFigures, figureTable } from './figures.ts';
import type { FigureSet } from './figures.ts';
import { measureHotLoops } from './hot-loops.ts';
import { reportPage } from './report.ts';

const committedFile = path.join(import.meta.dirname, '../figures.json');

const { values: options } = readOptions(import.meta.filename, {
  options: {
    rows: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
    report: { type: 'boolean', default: false },
    out: { type: 'string', default: 'bench.html' },
    save: { type: 'boolean', default: false },
  },
});

await loadHash();
const rows = Number(options.rows);
const today: FigureSet = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${os.cpus().length} × ${os.cpus()[0].model.trim()}, Node ${process.version}`,
  rows,
  yardstick: yardstickSeconds(),
  figures: await measureHotLoops(rows, options.only),
};
const committed = fs.existsSync(committedFile)
  ? (JSON.parse(fs.readFileSync(committedFile, 'utf8')) as FigureSet)
  : undefined;
if (committed && committed.rows !== rows) {
  console.error(`the committed figures are of ${committed.rows} rows: ratios mean little`);
}
const compared = compareFigures(today, committed);
console.log(figureTable(compared));
console.log(
  `\nyardstick: ${today.yardstick.toFixed(3)} s, committed ${committed?.yardstick.toFixed(3) ?? '-'}`,
);
if (options.report) {
  fs.writeFileSync(options.out, reportPage(compared, today, committed));
  console.log(`report: ${path.resolve(options.out)}`);
}
if (options.save) fs.writeFileSync(committedFile, `${JSON.stringify(today, undefined, 2)}\n`);

/** CPU seconds of a fixed computation: arithmetic over an array that does not fit into the first cache. */
function yardstickSeconds(): number {
  const values = new Uint32Array(1 << 18);
  let least = Infinity;
  for (let run = 0; run < 3; run++) {
    const before = process.cpuUsage();
    for (let pass = 0; pass < 200; pass++) {
      for (let i = 1; i < values.length; i++) values[i] = Math.imul(values[i - 1] ^ i, 2_654_435_761) + pass;
    }
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1e6);
  }
  return least;
}
