// CPU of leaves over generated rows.
//
//     npx node libs/engines/engine/src/test/leaf.bench.ts [rows]
//
// Prints CPU seconds per GB of lines for each query: blocks decoded anew, from the cache, and with a cache
// that has room for two thirds of them.
import { loadHash } from '@loki/model';
import type { LeafRequest, WorkerEnv } from '@loki/ports';
import { leafTask } from '../leaf/leaf-task.ts';
import { segmentOf, tenant, testEnv } from './blocks.ts';
import type { TestRow } from './blocks.ts';

const step = 100_000_000n;

/** The same rows for the same count: JSON and logfmt lines of twenty streams. */
function makeRows(count: number): TestRow[] {
  const levels = ['info', 'info', 'info', 'info', 'warn', 'error'];
  let state = 1;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const rows: TestRow[] = [];
  for (let stream = 0; stream < 20; stream++) {
    const labels = { app: `app-${stream % 5}`, pod: `pod-${stream}` };
    for (let i = 0; i < count / 20; i++) {
      const level = levels[draw(levels.length)];
      const fields = {
        ts: `2026-01-01T00:00:${i % 60}Z`,
        level,
        msg: `request ${draw(1e6)} handled by worker ${draw(64)}`,
        path: `/api/v1/items/${draw(5000)}`,
        status: [200, 200, 204, 404, 500][draw(5)],
        duration_ms: draw(100_000) / 100,
      };
      const line =
        stream % 2 === 0
          ? JSON.stringify(fields)
          : Object.entries(fields)
              .map(
                ([key, value]) =>
                  `${key}=${typeof value === 'string' && value.includes(' ') ? `"${value}"` : value}`,
              )
              .join(' ');
      rows.push({
        labels,
        ts: BigInt(i) * step,
        line,
        metadata: { detected_level: level, trace_id: `${draw(1e9)}` },
      });
    }
  }
  return rows;
}

const queries: readonly [name: string, expr: string][] = [
  ['count', 'sum by (app) (count_over_time({app=~".+"}[1m]))'],
  ['count by metadata', 'sum by (detected_level) (count_over_time({app=~".+"}[1m]))'],
  ['bytes', 'sum by (app) (bytes_over_time({app=~".+"}[1m]))'],
  ['rare needle', '{app=~".+"} |= "no such text"'],
  ['frequent needle', 'sum(count_over_time({app=~".+"} |= "worker"[1m]))'],
  ['case-insensitive regex', 'sum(count_over_time({app=~".+"} |~ "(?i)WORKER 6.*"[1m]))'],
  ['metadata needle', '{app=~".+"} | trace_id="none"'],
  ['json by level', 'sum by (level) (count_over_time({app=~".+"} |= "{" | json [1m]))'],
  ['logfmt by level', 'sum by (level) (count_over_time({app=~".+"} != "{" | logfmt [1m]))'],
  ['json unwrap', 'sum by (app) (sum_over_time({app=~".+"} |= "{" | json | unwrap duration_ms [1m]))'],
  ['json filter, all labels', '{app=~".+"} |= "{" | json | status >= 500 | duration_ms > 900'],
  ['newest thousand', '{app=~".+"}'],
];

async function measure(
  request: LeafRequest,
  bytes: Buffer,
  env: WorkerEnv,
  cacheKey?: string,
): Promise<number> {
  const before = process.cpuUsage();
  await leafTask.run({ request, sources: [{ kind: 'bytes', bytes, cacheKey }] }, env);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function main(count: number): Promise<void> {
  await loadHash();
  const rows = makeRows(count);
  const gigabytes = rows.reduce((sum, row) => sum + row.line.length, 0) / 1e9;
  const bytes = segmentOf(rows);
  const endNs = (BigInt(count) / 20n) * step;
  console.log(
    `${rows.length} rows, ${(gigabytes * 1e3).toFixed(1)} MB of lines, ${bytes.length} bytes stored`,
  );
  for (const [name, expr] of queries) {
    const request: LeafRequest = expr.startsWith('{')
      ? { kind: 'log', tenant, expr, startNs: 0n, endNs, direction: 'backward', limit: 1000 }
      : { kind: 'samples', tenant, expr, startNs: 0n, endNs, stepNs: 60_000_000_000n, seriesMax: 0 };
    const env = testEnv(new Map(), 1 << 30);
    const cold: number[] = [];
    const warm: number[] = [];
    const tight: number[] = [];
    const tightEnv = testEnv(new Map(), gigabytes * 1e9 * (2 / 3) * (4 / 3));
    for (let i = 0; i < 3; i++) {
      cold.push(await measure(request, bytes, env));
      warm.push(await measure(request, bytes, env, 'bench'));
      tight.push(await measure(request, bytes, tightEnv, 'bench'));
    }
    const best = (times: number[]) => (Math.min(...times) / gigabytes).toFixed(3);
    console.log(
      `${name.padEnd(26)} ${best(cold).padStart(8)} ${best(warm).padStart(8)} ${best(tight).padStart(8)} CPU s/GB`,
    );
  }
}

void main(Number(process.argv[2] ?? 200_000));
