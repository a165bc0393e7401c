/**
 * The real process for half an hour under all that it does at once: streams that rotate, queries, rules with
 * remote write, delete requests, retention, compaction. Heap, resident memory, descriptors and event-loop
 * delay must be flat once it is warm: their trend decides (slope.ts).
 *
 *     npm run soak -- [--minutes 30] [--out docs]     writes soak.csv and soak.svg there
 *     npm run soak -- --judge docs/soak.csv           judges an earlier run again
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Product, tellVerdict } from '@loki/attack';
import { readOptions } from '@loki/command-line';
import { plot } from './plot.ts';
import { trendOf } from './slope.ts';
import type { Series } from './slope.ts';
import { deletedPod, Traffic } from './traffic.ts';

const sampleEveryMs = 5_000;
/**
 * The first half is warm-up: until then threads fill their caches of blocks and of open files, up to their
 * bounds.
 */
const warmUpShare = 1 / 2;
/** A shared machine delays a request now and then. */
const failuresShareMax = 0.001;

const { values: options } = readOptions(import.meta.filename, {
  options: {
    minutes: { type: 'string', default: '30' },
    out: { type: 'string', default: 'docs' },
    judge: { type: 'string', default: '' },
  },
});

interface Measure {
  readonly name: string;
  readonly unit: string;
  /** Its name in /metrics, and the factor to its unit. */
  readonly metric: string;
  readonly per: number;
  /** Growth that counts as flat; undefined: drawn, and not judged. */
  readonly allowed?: { readonly of: 'low' | 'middle'; readonly share: number; readonly extra: number };
}

const mib = 2 ** 20;
const measures: readonly Measure[] = [
  {
    name: 'heap in use',
    unit: 'MiB',
    metric: 'nodejs_heap_size_used_bytes',
    per: mib,
    allowed: { of: 'low', share: 0.1, extra: 4 },
  },
  {
    name: 'resident memory',
    unit: 'MiB',
    metric: 'process_resident_memory_bytes',
    per: mib,
    allowed: { of: 'middle', share: 0.1, extra: 16 },
  },
  {
    name: 'open descriptors',
    unit: '',
    metric: 'process_open_fds',
    per: 1,
    allowed: { of: 'middle', share: 0.05, extra: 4 },
  },
  {
    name: 'event-loop delay (p50)',
    unit: 'ms',
    metric: 'nodejs_eventloop_lag_p50_seconds',
    per: 0.001,
    allowed: { of: 'middle', share: 0.25, extra: 2 },
  },
  {
    name: 'event-loop delay (p99)',
    unit: 'ms',
    metric: 'nodejs_eventloop_lag_p99_seconds',
    per: 0.001,
    allowed: { of: 'middle', share: 0.5, extra: 20 },
  },
  { name: 'streams in memory', unit: '', metric: 'loki_ingester_memory_streams', per: 1 },
];

/** Counters that prove the use of each feature: each must have risen. */
const deeds = [
  'loki_compactor_merges_total',
  'loki_compactor_removed_entries_total',
  'loki_prometheus_rule_evaluations_total',
  'loki_ingester_chunks_flushed_total',
  'loki_ingester_streams_removed_total',
];

async function main(): Promise<number> {
  const faults = options.judge === '' ? await soaked() : judge(readCsv(options.judge));
  return tellVerdict(faults);
}

/** Runs, writes the measurements, and returns the faults. */
async function soaked(): Promise<string[]> {
  const runMs = Number(options.minutes) * 60_000;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-soak-'));
  const receiver = http.createServer((request, response) => {
    request.resume();
    request.once('end', () => response.writeHead(204).end());
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(file, config((receiver.address() as AddressInfo).port));
  const product = await Product.start(0, [`-config.file=${file}`]);
  const traffic = new Traffic(product.port);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void product.stop().finally(() => process.exit(130)));
  }
  try {
    await traffic.start();
    const rows = await sampled(product, runMs);
    const faults = await faultsAfter(product, traffic);
    writeCsv(rows);
    console.log(JSON.stringify(traffic.done));
    return [...faults, ...judge(rows)];
  } finally {
    traffic.stop();
    await product.stop();
    receiver.close();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** Draws the plot; returns the verdict of each measure that is not flat. */
function judge(rows: readonly (readonly number[])[]): string[] {
  const faults: string[] = [];
  const seconds = rows.map(([at]) => at);
  const runSeconds = Math.round(seconds[seconds.length - 1] / 60) * 60;
  const fromSeconds = runSeconds * warmUpShare;
  const panels = measures.map(({ name, unit, allowed }, i) => {
    const series: Series = { name, unit, seconds, values: rows.map((row) => row[i + 1]) };
    if (!allowed) return { series, note: 'not judged', fromSeconds };
    const trend = trendOf(series, { fromSeconds, windowSeconds: 60, ...allowed });
    const inWords = (value: number): string => `${value.toFixed(1)} ${unit}`.trim();
    const note = `level ${inWords(trend.level)}, trend ${inWords(trend.growth)} over the judged time, ${inWords(trend.growthMax)} allowed: ${trend.isFlat ? 'flat' : 'not flat'}`;
    console.log(`${name}: ${note}`);
    if (!trend.isFlat) faults.push(`${name}: ${note}`);
    return { series, note, fromSeconds };
  });
  const title = `Soak: ${runSeconds / 60} minutes, ${new Date().toISOString().slice(0, 10)}; time in minutes`;
  fs.mkdirSync(options.out, { recursive: true });
  fs.writeFileSync(path.join(options.out, 'soak.svg'), plot(title, panels));
  return faults;
}

function writeCsv(rows: readonly (readonly number[])[]): void {
  const head = ['seconds', ...measures.map(({ name, unit }) => (unit === '' ? name : `${name} ${unit}`))];
  const lines = rows.map((row) => row.map((value) => Number(value.toFixed(3))).join(','));
  fs.mkdirSync(options.out, { recursive: true });
  fs.writeFileSync(path.join(options.out, 'soak.csv'), `${[head.join(','), ...lines].join('\n')}\n`);
}

function readCsv(file: string): number[][] {
  const [, ...lines] = fs.readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => line.split(',').map(Number));
}

/** A row every five seconds: the time, and each measure. */
async function sampled(product: Product, runMs: number): Promise<number[][]> {
  const rows: number[][] = [];
  const beganMs = performance.now();
  for (let next = sampleEveryMs; next <= runMs; next += sampleEveryMs) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, beganMs + next - performance.now())));
    if (!product.isAlive) throw new Error(`the process ended:\n${product.logTail()}`);
    const metrics = await metricsOf(product.port);
    const seconds = Math.round((performance.now() - beganMs) / 1000);
    rows.push([seconds, ...measures.map(({ metric, per }) => (metrics.get(metric) ?? Number.NaN) / per)]);
    const isMinute = rows.length % 12 === 0;
    if (isMinute) console.log(rows[rows.length - 1].map((value) => Number(value.toFixed(1))).join(' '));
  }
  return rows;
}

/** Features that the run did not use, and wrong results. */
async function faultsAfter(product: Product, traffic: Traffic): Promise<string[]> {
  const faults: string[] = [];
  const metrics = await metricsOf(product.port);
  for (const deed of deeds) if (!metrics.get(deed)) faults.push(`${deed} is ${metrics.get(deed)}`);
  const { failures, pushes, queries, deletes } = traffic.done;
  if (failures > failuresShareMax * (pushes + queries + deletes)) {
    faults.push(`${failures} requests failed: ${traffic.failures.slice(0, 5).join('; ')}`);
  }
  const deleted = await traffic.count(`count_over_time({pod="${deletedPod(Date.now())}"}[10m])`);
  const present = await traffic.count(`count_over_time({pod=~"pod-.*-1"}[1m])`);
  const aged = await traffic.count('count_over_time({app="aged"}[48h])', 'aged');
  if (deleted > 0) faults.push(`${deleted} deleted lines are there`);
  if (present === 0) faults.push('lines that no client deleted are gone');
  // A hundred each second for three minutes, and those that came during the query.
  if (aged > 100 * 200) faults.push(`${aged} lines outlive their retention`);
  return faults;
}

/** Values by name, those of one name with several labels added up. */
async function metricsOf(port: number): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const sums = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') continue;
    const name = line.slice(
      0,
      Math.min(...['{', ' '].map((mark) => line.indexOf(mark)).filter((at) => at > 0)),
    );
    sums.set(name, (sums.get(name) ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1)));
  }
  return sums;
}

/** Times are shorter than in production: everything happens many times in half an hour. */
function config(receiverPort: number): string {
  const url = `http://127.0.0.1:${receiverPort}`;
  return JSON.stringify({
    ingester: { chunk_idle_period: '10s', max_chunk_age: '1m' },
    compactor: {
      compaction_interval: '10s',
      retention_enabled: true,
      retention_delete_delay: '1m',
      delete_request_store: 'filesystem',
      delete_request_cancel_period: '30s',
    },
    limits_config: {
      deletion_mode: 'filter-and-delete',
      volume_enabled: true,
      retention_period: '24h',
      retention_stream: [],
    },
    query_range: { cache_results: true },
    pattern_ingester: { enabled: true },
    ruler: {
      enable_api: true,
      alertmanager_url: url,
      poll_interval: '10s',
      remote_write: { enabled: true, clients: { main: { url: `${url}/api/v1/write` } } },
    },
  });
}

process.exitCode = await main();
