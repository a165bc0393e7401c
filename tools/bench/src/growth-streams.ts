/** Rows about streams: memory of a process with many of them, and the cost of queries about them. */
import { setTimeout } from 'node:timers/promises';
import { Product } from '@loki/attack';
import type { Bar, Measure } from './growth-judge.ts';

const mib = 2 ** 20;
const tenant = 'bench';
const headers = { 'x-scope-orgid': tenant };
const streamsPerPush = 1_000;
/** Each stream is pushed so often: a record of the write log holds it each time. */
const rounds = 3;
/** Repetitions of a query, of which the cheapest counts: other work and collections only add to it. */
const repeats = 5;
const answerTimeoutMs = 300_000;
/** Idle threads collect their garbage within two checks, which are five seconds apart. */
const restMs = 12_000;

const flags = [
  '-ingester.max-global-streams-per-user=0',
  '-ingester.max-streams-per-user=0',
  '-distributor.ingestion-rate-limit-mb=4096',
  '-distributor.ingestion-burst-size-mb=4096',
  '-querier.max-query-series=2000000',
  '-frontend.max-cache-freshness=10m',
];

const cpuFloorSeconds = 0.01;
const judgedStreams = 100_000;

function cpu(costMax: number): Bar {
  return { costMax, atSize: judgedStreams, exponentMax: 1, floor: cpuFloorSeconds };
}

/** Streams beside the others: queries that select them alone. */
const fewStreams = 10;
const fewPods = Array.from({ length: fewStreams }, (_, i) => `few-${i}`);
/** Follows the streams that match, and not those that there are. */
const selectionBar: Bar = { costMax: 0.03, atSize: judgedStreams, exponentMax: 0, floor: 0.015 };

function memory(costMax: number): Bar {
  return { costMax, atSize: judgedStreams, exponentMax: 1, floor: 150 };
}

interface Question {
  readonly name: string;
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly bar: Bar;
}

/** Questions that Grafana and its users ask about streams. */
const questions: readonly Question[] = [
  { name: 'labels', path: 'labels', bar: cpu(0.02) },
  { name: 'values of app', path: 'label/app/values', bar: cpu(0.02) },
  {
    name: 'values of app, a namespace',
    path: 'label/app/values',
    params: { query: '{namespace="ns-7"}' },
    bar: cpu(0.02),
  },
  { name: 'volume', path: 'index/volume', params: { query: '{app=~".+"}' }, bar: cpu(0.15) },
  { name: 'detected labels', path: 'detected_labels', bar: cpu(0.05) },
  { name: 'series', path: 'series', bar: cpu(1.5) },
  { name: 'series of an app', path: 'series', params: { 'match[]': '{app="app-7"}' }, bar: cpu(0.1) },
  { name: 'lines of a stream', path: 'query_range', params: { query: '{pod="pod-7"}' }, bar: cpu(0.05) },
  ...[
    { by: 'a label', query: '{app="few"}', bar: selectionBar },
    { by: 'a list', query: `{pod=~"${fewPods.join('|')}"}`, bar: selectionBar },
    { by: 'a pattern', query: '{app=~"f[e]w"}', bar: selectionBar },
    { by: 'a negative matcher', query: '{cluster=~".+", app!~"app-.*"}', bar: selectionBar },
    // Each value is tested: those of pods are as many as streams.
    { by: 'a pattern of pods', query: '{pod=~".*few-[0-9]"}', bar: cpu(0.1) },
  ].map(({ by, query, bar }) => ({
    name: `lines of ${fewStreams} streams by ${by}`,
    path: 'query_range',
    params: { query },
    bar,
  })),
];

export const streamMeasures: readonly Measure[] = [
  { name: 'memory after push', unit: 'MiB', bar: memory(400) },
  { name: 'memory at rest after push', unit: 'MiB', bar: memory(400) },
  { name: 'heads by their own count', unit: 'MiB', bar: { exponentMax: 1, floor: 1 } },
  ...questions.map(({ name, bar }): Measure => ({ name: `${name}, head`, unit: 's', bar })),
  { name: 'memory with queries', unit: 'MiB', bar: memory(700) },
  ...questions.map(({ name, bar }): Measure => ({ name: `${name}, flushed`, unit: 's', bar })),
  { name: 'memory after flush', unit: 'MiB', bar: memory(700) },
];

/** Measures a fresh process with this many streams. */
export async function measureStreams(streams: number): Promise<Map<string, number>> {
  const product = await Product.start(0, flags);
  const costs = new Map<string, number>();
  try {
    await push(product, streams);
    await pushStreams(product, Array.from(fewPods, labelsOfFew), 'few');
    costs.set('memory after push', product.memoryBytes() / mib);
    await setTimeout(restMs);
    costs.set('memory at rest after push', product.memoryBytes() / mib);
    costs.set('heads by their own count', (await headBytes(product)) / mib);
    await askAll(product, 'head', costs);
    costs.set('memory with queries', product.memoryBytes() / mib);
    await ask(product, '/flush', {}, 'POST');
    await askAll(product, 'flushed', costs);
    costs.set('memory after flush', product.memoryBytes() / mib);
    return costs;
  } finally {
    await product.stop();
  }
}

async function push(product: Product, streams: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let first = 0; first < streams; first += streamsPerPush) {
      const count = Math.min(streamsPerPush, streams - first);
      const labels = Array.from({ length: count }, (_, i) => labelsOf(first + i));
      await pushStreams(product, labels, `round ${round}`);
    }
  }
}

/** One line for each stream. */
async function pushStreams(
  product: Product,
  labels: readonly Readonly<Record<string, string>>[],
  about: string,
): Promise<void> {
  const streams = labels.map((stream, i) => ({
    stream,
    values: [[`${Date.now()}000000`, `${about}: request ${stream.pod} took ${i % 97} ms`]],
  }));
  const response = await fetch(`http://127.0.0.1:${product.port}/loki/api/v1/push`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ streams }),
    signal: AbortSignal.timeout(answerTimeoutMs),
  });
  if (response.status !== 204) throw new Error(`a push: ${response.status} ${await response.text()}`);
}

/**
 * As Kubernetes' pods have them: few clusters and namespaces, some hundred apps, and a name of its own for
 * each.
 */
function labelsOf(stream: number): Record<string, string> {
  return {
    cluster: `cluster-${stream % 3}`,
    namespace: `ns-${stream % 50}`,
    app: `app-${stream % 200}`,
    container: `container-${stream % 20}`,
    pod: `pod-${stream}`,
  };
}

function labelsOfFew(pod: string): Record<string, string> {
  return { cluster: 'cluster-0', namespace: 'ns-0', app: 'few', container: 'container-0', pod };
}

async function askAll(product: Product, where: string, costs: Map<string, number>): Promise<void> {
  for (const { name, path, params = {} } of questions) {
    let least = Infinity;
    for (let i = 0; i < repeats; i++) {
      const beganSeconds = product.cpuSeconds();
      await ask(product, `/loki/api/v1/${path}`, params);
      least = Math.min(least, product.cpuSeconds() - beganSeconds);
    }
    costs.set(`${name}, ${where}`, least);
  }
}

/** The gauge by which the ingester is bounded. */
async function headBytes(product: Product): Promise<number> {
  const metrics = await ask(product, '/metrics', {});
  const value = /^loki_ingester_memory_bytes (\S+)$/m.exec(metrics)?.[1];
  if (value === undefined) throw new Error('no gauge of the memory of heads');
  return Number(value);
}

/** The text of the answer. */
async function ask(
  product: Product,
  path: string,
  params: Readonly<Record<string, string>>,
  method = 'GET',
): Promise<string> {
  const query = new URLSearchParams(params).toString();
  const response = await fetch(`http://127.0.0.1:${product.port}${path}?${query}`, {
    method,
    headers,
    signal: AbortSignal.timeout(answerTimeoutMs),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
  return text;
}
