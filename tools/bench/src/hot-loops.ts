/** Measures the hot loops of the product in this process: encoding, merging, and each class of query. */
import { leafTask } from '@loki/engine';
import { MemoryObjectStore } from '@loki/object-store';
import type { LeafRequest, WorkerEnv } from '@loki/ports';
import { mergeSegments } from '@loki/segment';
import type { Figure } from './figures.ts';
import { loopTenant, makeLoopRows } from './loop-rows.ts';
import type { LoopRows } from './loop-rows.ts';

const secondNs = 1_000_000_000n;
/** Runs of each query; the fastest counts, as all else is noise of the machine. */
const runs = 5;
/** The cache holds about half of the lines of a scan, as it does in a process over a day of logs. */
const cacheShare = 1 / 2;

/** One class of query. `cold`: nothing is decoded; else the query has been asked before. */
interface LoopQuery {
  readonly name: string;
  readonly expr: (rows: LoopRows) => string;
}

const all = '{app=~".+"}';
const queries: readonly LoopQuery[] = [
  { name: 'needle', expr: ({ needle }) => `${all} |= "${needle}"` },
  { name: 'needle in metadata', expr: ({ trace }) => `${all} | trace_id="${trace}"` },
  { name: 'needle that is absent', expr: () => `${all} |= "0bbfdad2-67f6-4b36-a307"` },
  { name: 'newest 1000 lines', expr: () => all },
  { name: 'frequent phrase, newest 1000', expr: () => `${all} |= "worker 63"` },
  { name: 'frequent phrase, counted', expr: () => `sum(count_over_time(${all} |= "connection reset"[1m]))` },
  {
    name: 'regular expression, counted',
    expr: () => `sum(count_over_time(${all} |~ "status.{2,3}50[0-3]"[1m]))`,
  },
  {
    name: 'expression without case, counted',
    expr: () => `sum(count_over_time(${all} |~ "(?i)RESET.*PEER"[1m]))`,
  },
  { name: 'negative filter, counted', expr: () => `sum(count_over_time(${all} != "worker 63"[1m]))` },
  { name: 'count by app', expr: () => `sum by (app) (count_over_time(${all}[1m]))` },
  { name: 'bytes by app', expr: () => `sum by (app) (bytes_over_time(${all}[1m]))` },
  { name: 'json, by level', expr: () => 'sum by (level) (count_over_time({format="json"} | json[1m]))' },
  {
    name: 'json, filtered, newest 1000',
    expr: () => '{format="json"} | json | status >= 500 | duration_ms > 900',
  },
  {
    name: 'json, unwrapped',
    expr: () => 'sum by (app) (sum_over_time({format="json"} | json | unwrap duration_ms[1m]))',
  },
  {
    name: 'logfmt, filtered, counted',
    expr: () => 'sum by (app) (count_over_time({format="logfmt"} | logfmt | status >= 500[1m]))',
  },
];

/** Figures of all hot loops whose name contains `only`, over `count` generated rows. */
export async function measureHotLoops(count: number, only: string): Promise<Figure[]> {
  const rows = makeLoopRows(count);
  const gigabytes = rows.lineBytes / 1e9;
  const figures: Figure[] = [];
  const add = (figure: Figure) => {
    if (figure.name.includes(only)) figures.push(figure);
  };
  const encoding = cpuSeconds(() => void makeLoopRows(count / 4));
  add({ name: 'generate and encode records', kind: 'cpu', value: (encoding * 4) / gigabytes });
  const inputs = rows.records.map((bytes) => ({ bytes }));
  let flushed: Buffer = Buffer.alloc(0);
  const flushing = cpuSeconds(() => (flushed = mergeSegments(inputs, { kind: 'flushed' }).bytes));
  add({ name: 'flush', kind: 'cpu', value: flushing / gigabytes });
  let compacted: Buffer = Buffer.alloc(0);
  const compacting = cpuSeconds(() => {
    compacted = mergeSegments([{ bytes: flushed }], { kind: 'compacted', effort: 'dense' }).bytes;
  });
  add({ name: 'merge of a closed day', kind: 'cpu', value: compacting / gigabytes });
  const recordBytes = rows.records.reduce((sum, { length }) => sum + length, 0);
  add({ name: 'records', kind: 'bytes', value: recordBytes / rows.lineBytes });
  add({ name: 'flushed segment', kind: 'bytes', value: flushed.length / rows.lineBytes });
  add({ name: 'compacted segment', kind: 'bytes', value: compacted.length / rows.lineBytes });
  const objectStore = new MemoryObjectStore();
  await objectStore.put('flushed', flushed);
  for (const query of queries.filter(({ name }) => name.includes(only))) {
    figures.push(...(await measureQuery(query, rows, objectStore)));
  }
  return figures;
}

async function measureQuery(
  { name, expr }: LoopQuery,
  rows: LoopRows,
  objectStore: MemoryObjectStore,
): Promise<Figure[]> {
  const request = requestOf(expr(rows), rows.endNs);
  const cacheBytesMax = rows.lineBytes * cacheShare;
  const cold = { cpuSeconds: Infinity, ms: Infinity };
  const warm = { cpuSeconds: Infinity, ms: Infinity };
  for (let run = 0; run < runs; run++) {
    const env: WorkerEnv = { objectStore, cache: new Map(), cacheBytesMax };
    await keepLeast(cold, () =>
      leafTask.run({ request, sources: [{ kind: 'object', key: 'flushed' }] }, env),
    );
    for (let repeat = 0; repeat < 3; repeat++) {
      await keepLeast(warm, () =>
        leafTask.run({ request, sources: [{ kind: 'object', key: 'flushed' }] }, env),
      );
    }
  }
  const gigabytes = rows.lineBytes / 1e9;
  return [
    { name: `${name}, cold`, kind: 'cpu', value: cold.cpuSeconds / gigabytes },
    { name: `${name}, warm`, kind: 'cpu', value: warm.cpuSeconds / gigabytes },
    { name: `${name}, warm`, kind: 'latency', value: warm.ms },
  ];
}

function requestOf(expr: string, endNs: bigint): LeafRequest {
  const shared = { tenant: loopTenant, expr, endNs };
  if (expr.startsWith('{')) {
    return { ...shared, kind: 'log', startNs: 0n, direction: 'backward', limit: 1000 };
  }
  return { ...shared, kind: 'samples', startNs: 60n * secondNs, stepNs: 60n * secondNs, seriesMax: 0 };
}

async function keepLeast(least: { cpuSeconds: number; ms: number }, run: () => unknown): Promise<void> {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  least.cpuSeconds = Math.min(least.cpuSeconds, (user + system) / 1e6);
  least.ms = Math.min(least.ms, performance.now() - startedMs);
}

function cpuSeconds(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
