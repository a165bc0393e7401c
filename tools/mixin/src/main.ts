/**
 * Writes deploy/mixin/dashboards from their definitions: `npm run mixin`. With `-- --check` it
 * writes nothing, and fails when a file is not as defined.
 */
import fs from 'node:fs';
import path from 'node:path';
import { dashboards } from './dashboards.ts';
import { dashboardJson } from './grafana.ts';

const directory = path.join(import.meta.dirname, '../../../deploy/mixin/dashboards');
const isCheck = process.argv.includes('--check');
const stale: string[] = [];
const names = new Set<string>();

for (const [name, dashboard] of Object.entries(dashboards)) {
  const file = `${name}.json`;
  names.add(file);
  const text = `${JSON.stringify(dashboardJson(dashboard), undefined, 2)}\n`;
  const place = path.join(directory, file);
  if (fs.existsSync(place) && fs.readFileSync(place, 'utf8') === text) continue;
  stale.push(file);
  if (!isCheck) fs.writeFileSync(place, text);
}
for (const file of fs.readdirSync(directory)) {
  if (names.has(file)) continue;
  stale.push(file);
  if (!isCheck) fs.rmSync(path.join(directory, file));
}
if (isCheck && stale.length > 0) {
  console.error(`not as defined: ${stale.join(', ')}: run npm run mixin`);
  process.exitCode = 1;
}
