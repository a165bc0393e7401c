/**
 * How costs grow with what there is: each measure at sizes a decade apart, by CPU time and memory of the real
 * process, its exponent, and a failure past its bar.
 *
 *     npm run bench:growth -- [--sizes 1000,10000,100000] [--json FILE]
 */
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { judgeGrowth } from './growth-judge.ts';
import { measureStreams, streamMeasures } from './growth-streams.ts';

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1000,10000,100000' },
    json: { type: 'string', default: '' },
  },
});

const sizes = options.sizes.split(',').map(Number);
const costs: Map<string, number>[] = [];
for (const size of sizes) {
  console.error(`${size} streams`);
  costs.push(await measureStreams(size));
}

const faults: string[] = [];
console.log(`| measure | ${sizes.join(' | ')} | exponent | at most |`);
console.log(`|---|${sizes.map(() => '---|').join('')}---|---|`);
for (const { name, unit, bar } of streamMeasures) {
  const points = sizes.map((size, i) => ({ size, cost: costs[i].get(name)! }));
  const verdict = judgeGrowth(points, bar);
  const cells = points.map(({ cost }) => (unit === 's' ? cost.toFixed(3) : cost.toFixed(0)));
  const isJudged = sizes.includes(bar.atSize ?? 0);
  console.log(
    `| ${name} (${unit === 's' ? 'CPU s' : unit}) | ${cells.join(' | ')} | ${verdict.exponent.toFixed(2)} |` +
      ` ${isJudged ? bar.costMax : ''} |${verdict.faults.length > 0 ? ' **past its bar**' : ''}`,
  );
  faults.push(...verdict.faults.map((fault) => `${name}: ${fault}`));
}
if (options.json !== '') {
  const result = { sizes, costs: costs.map((each) => Object.fromEntries(each)) };
  fs.writeFileSync(options.json, JSON.stringify(result, undefined, 2));
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
