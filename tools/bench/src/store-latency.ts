/**
 * Measures queries over an object store with a delay: requests, bytes and time of each query, with empty and
 * with filled caches. One process on MinIO behind a link that delays each request.
 *
 *     npm run bench:store -- --data DIR [--work DIR] [--delay-ms 30] [--cache-mb 512] [--only needle_all,...]
 *         [--tree DIR] [--batches-per-flush N --partitions P] [--day slow|refusing|narrow]
 *
 * DIR holds a data set of the benchmark harness that ends before today, so that its day is compacted whole.
 * The stored data stays in the work directory, and the next run uses it again. With --batches-per-flush it is
 * flushed so often and not compacted: P segments for each N batches of 1 MB.
 *
 * - `first`: the first query of a process, which also compiles its code.
 * - `cold`: the caches are empty; a query of another tenant has compiled the code.
 * - `warm`: the same query again.
 * - `disk`: as `cold`, in a process whose cache on disk holds what the process before read.
 */
import fs from 'node:fs';
import path from 'node:path';
import { endWithUsageError, readOptions } from '@loki/command-line';
import { findMinio, Link, makeBucket, servicesCache, startMinio } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import { CountedRequests } from './counted-requests.ts';
import type { StoreUse } from './counted-requests.ts';
import { loadStore, storeTenant, warmTenant } from './load-store.ts';
import { StoreProcess } from './store-process.ts';
import { readDataSet, storeQueries } from './store-queries.ts';
import type { StoreQuery } from './store-queries.ts';
import { isStoreDay, storeDays, weatherOf } from './store-weather.ts';

const { values: options } = readOptions(import.meta.filename, {
  options: {
    data: { type: 'string' },
    work: { type: 'string', default: '/tmp/loki-bench-store' },
    'delay-ms': { type: 'string', default: '30' },
    'cache-mb': { type: 'string', default: '512' },
    only: { type: 'string', default: '' },
    /** Another checkout whose process is measured. */
    tree: { type: 'string', default: path.join(import.meta.dirname, '../../..') },
    json: { type: 'string', default: '' },
    'batches-per-flush': { type: 'string', default: '0' },
    partitions: { type: 'string', default: '1' },
    /** Queries run on such a day of the store (store-weather.ts). */
    day: { type: 'string', default: 'fine' },
  },
});

if (options.data === undefined) {
  endWithUsageError('--data DIR, a data set of the benchmark harness, is missing');
}
const { day } = options;
if (!isStoreDay(day)) endWithUsageError(`--day ${day} is none of ${storeDays.join(', ')}`);
const batchesPerFlush = Number(options['batches-per-flush']);
const binary = findMinio(servicesCache);
if (binary === undefined) {
  console.log('skipped: there is no MinIO; set MINIO_BINARY');
  process.exit(0);
}

const { data, work, only } = options;
const bucket = 'bench';
/** A cache on disk gathers ranges for a second before it writes them. */
const untilWrittenMs = 2_500;
fs.mkdirSync(work, { recursive: true });
const minio = await startMinio(binary, work);
await makeBucket(minio.endpoint, bucket);
const requests = new CountedRequests();
const link = new Link(Number(new URL(minio.endpoint).port), () => requests.connection());
const [linkPort] = await freePorts(1);
await link.listen(linkPort);
const server = new StoreProcess({
  tree: options.tree,
  directory: work,
  endpoint: `http://127.0.0.1:${linkPort}`,
  bucket,
  partitions: Number(options.partitions),
  compacts: batchesPerFlush === 0,
});

try {
  const set = readDataSet(data);
  await loadStore(server, set, { work, batchesPerFlush });
  link.delayMs = Number(options['delay-ms']);
  link.weather = weatherOf(day);
  const queries = storeQueries(set).filter(({ id }) => only === '' || only.split(',').includes(id));
  const cacheMib = Number(options['cache-mb']);
  const rows = [];
  for (const query of queries) {
    server.forgetDisk();
    const row = { id: query.id, first: await first(query, cacheMib), ...(await costsOf(query, cacheMib)) };
    rows.push(row);
    console.log(tableRow(row.id, [row.first, row.cold, row.warm, row.disk]));
  }
  if (options.json !== '') fs.writeFileSync(options.json, JSON.stringify(rows, undefined, 1));
  console.log(
    '\n| query | first: requests, trips, KiB, CPU s, s | cold | warm | disk |\n|---|---|---|---|---|',
  );
  for (const { id, first: one, cold, warm, disk } of rows) console.log(tableRow(id, [one, cold, warm, disk]));
} finally {
  await server.stop();
  await link.close();
  await minio.stop();
}

/** The cost of one query. */
interface Cost extends StoreUse {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function first(query: StoreQuery, cacheMib: number): Promise<Cost> {
  await server.start(cacheMib);
  const cost = await measured(query, storeTenant);
  await server.stop();
  server.forgetDisk();
  return cost;
}

async function costsOf(query: StoreQuery, cacheMib: number): Promise<Record<'cold' | 'warm' | 'disk', Cost>> {
  await server.start(cacheMib);
  await warmUp(query);
  const cold = await measured(query, storeTenant);
  const repeats = [await measured(query, storeTenant), await measured(query, storeTenant)];
  const warm = repeats.sort((a, b) => a.seconds - b.seconds)[0];
  await new Promise((resolve) => setTimeout(resolve, untilWrittenMs));
  await server.stop();
  await server.start(cacheMib);
  await warmUp(query);
  const disk = await measured(query, storeTenant);
  await server.stop();
  return { cold, warm, disk };
}

/** Three times, as code is compiled by use. */
async function warmUp(query: StoreQuery): Promise<void> {
  for (let i = 0; i < 3; i++) await server.ask(query, warmTenant);
}

async function measured(query: StoreQuery, tenant: string): Promise<Cost> {
  requests.take();
  const startedMs = performance.now();
  const cpuBefore = server.cpuSeconds();
  await server.ask(query, tenant);
  const seconds = (performance.now() - startedMs) / 1000;
  return { ...requests.take(), seconds, cpuSeconds: server.cpuSeconds() - cpuBefore };
}

function tableRow(id: string, costs: readonly Cost[]): string {
  const cells = costs.map(
    (cost) =>
      `${cost.requests}, ${cost.trips}, ${(cost.bytes / 1024).toFixed(0)}, ${cost.cpuSeconds.toFixed(2)}, ${cost.seconds.toFixed(2)}`,
  );
  return `| ${id} | ${cells.join(' | ')} |`;
}
