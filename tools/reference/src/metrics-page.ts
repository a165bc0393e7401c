/** docs/reference/metrics.md: every metric a process can show, read from the metrics themselves. */
import { isCallExpression, isPropertyAccessExpression, isStringLiteral } from 'typescript/unstable/ast/is';
import {
  buildInfo,
  buildInfoMetric,
  cacheMetrics,
  canaryMetrics,
  certificateExpiryMetric,
  collectProcessMetrics,
  compactorMetrics,
  countHeartbeat,
  diskCacheMetrics,
  distributorMetrics,
  droppedLogLinesMetric,
  ingesterMetrics,
  measuredResultsCache,
  measuredRingStore,
  memcachedMetrics,
  Metrics,
  objectStoreMetrics,
  patternMetrics,
  queryMetrics,
  refusedRpcConnectionsMetric,
  ringMetrics,
  rulerMetrics,
  serverMetrics,
} from '@loki/telemetry';
import { code, cell, opening, table } from './markdown.ts';
import type { ProductFile } from './source.ts';

/** One metric as its registry knows it. */
interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames?: readonly string[];
  get(): Promise<{ readonly values: readonly { readonly labels: object }[] }>;
}

interface Section {
  readonly title: string;
  /** The processes that expose them. */
  readonly shownBy: string;
  readonly define: (metrics: Metrics) => void;
}

const sections: readonly Section[] = [
  {
    title: 'HTTP and gRPC servers',
    shownBy: 'Every process.',
    define: (metrics) => {
      const servers = serverMetrics(metrics);
      const request = { method: 'GET', route: 'ready', requestBytes: 0, responseBytes: 0 };
      servers.served({ ...request, statusCode: '200', isWebSocket: false, seconds: 0 });
      certificateExpiryMetric(metrics, 'http', 0);
      refusedRpcConnectionsMetric(metrics);
    },
  },
  {
    title: 'Write path: distributor',
    shownBy: 'Processes that run a distributor.',
    define: (metrics) => void distributorMetrics(metrics),
  },
  {
    title: 'Write path: ingester',
    shownBy:
      'Processes that run an ingester. `/patterns` has its own, where the pattern ingester is enabled.',
    define: (metrics) => {
      ingesterMetrics(metrics).head(0, undefined);
      patternMetrics(metrics);
    },
  },
  {
    title: 'Read path: query frontend and engine',
    shownBy: 'Processes that run a gateway or query frontend.',
    define: (metrics) => void queryMetrics(metrics),
  },
  {
    title: 'Caches',
    shownBy: 'Queriers, by the name of the cache.',
    define: (metrics) => {
      cacheMetrics(metrics, 'results');
      measuredResultsCache(undefined as never, metrics, { name: 'results', clock: undefined as never });
      memcachedMetrics(metrics, 'results');
    },
  },
  {
    title: 'Object store',
    shownBy: 'Every process that opens the store: all but a gateway.',
    define: (metrics) => void objectStoreMetrics(metrics, 'logs'),
  },
  {
    title: 'Cache on local disk',
    shownBy:
      'Processes that answer queries, where `disk_cache.directory` is set and the object store is a bucket.',
    define: (metrics) => void diskCacheMetrics(metrics),
  },
  {
    title: 'Compactor',
    shownBy: 'Processes that run a compactor.',
    define: (metrics) => void compactorMetrics(metrics),
  },
  { title: 'Ruler', shownBy: 'Processes that run a ruler.', define: (metrics) => void rulerMetrics(metrics) },
  {
    title: 'Rings',
    shownBy: 'Every process, for the rings that it is in or looks at.',
    define: (metrics) => {
      ringMetrics(metrics, () => new Map());
      countHeartbeat(metrics, 'ring');
      measuredRingStore(undefined as never, metrics, { kind: 'redis', clock: undefined as never });
    },
  },
  {
    title: 'The process itself',
    shownBy: 'Every process. The `go_` names are those that dashboards ask for; their figures are Node’s.',
    define: (metrics) => {
      buildInfoMetric(metrics, buildInfo('node'), { os: 'linux', arch: 'x64' });
      droppedLogLinesMetric(metrics, () => 0);
      collectProcessMetrics(metrics);
    },
  },
  {
    title: 'Canary',
    shownBy: '`apps/canary` alone.',
    define: (metrics) => void canaryMetrics(metrics, 10),
  },
];

/**
 * The page.
 *
 * @param files the product, in which each metric's definition is looked for
 * @throws Error when the code defines a metric that no section shows: its function is missing above
 */
export async function metricsPage(files: ReadonlyMap<string, ProductFile>): Promise<string> {
  const names = new Set<string>();
  const parts: string[] = [];
  for (const { title, shownBy, define } of sections) {
    const metrics = new Metrics();
    define(metrics);
    const all = metrics.registry.getMetricsAsArray() as unknown as Described[];
    const rows: string[][] = [];
    for (const metric of all.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (names.has(metric.name)) continue;
      names.add(metric.name);
      const labels = await labelsOf(metric);
      rows.push([code(metric.name), metric.type, labels.map(code).join(' '), cell(metric.help)]);
    }
    parts.push(`## ${title}\n\n${shownBy}\n\n${table(['name', 'type', 'labels', 'meaning'], rows)}\n`);
  }
  const missing = [...definedIn(files)].filter(([name]) => !names.has(name));
  if (missing.length > 0) {
    throw new Error(
      `tools/reference/src/metrics-page.ts shows no ${missing.map(([name, file]) => `${name} (${file})`).join(', ')}`,
    );
  }
  return [
    opening(
      'Metrics',
      `\`GET /metrics\` of each process. Names are Loki’s wherever Loki has the metric; \`metrics_namespace\` replaces \`loki\` in them.
A histogram shows \`_bucket\`, \`_sum\` and \`_count\`, a summary its quantiles. Series of tenants without a counted event for 30 minutes
are removed. [Alerts](../alerts.md) and [dashboards](../../deploy/mixin/README.md) are made of these.`,
    ),
    ...parts,
  ].join('\n');
}

/** Labels as defined; of a histogram of ours, which defines none, those of its series. */
async function labelsOf(metric: Described): Promise<readonly string[]> {
  if (metric.labelNames !== undefined) return metric.labelNames;
  const { values } = await metric.get();
  return Object.keys(values[0].labels).filter((name) => name !== 'le');
}

const kinds = new Set(['counter', 'gauge', 'histogram', 'summary', 'fastHistogram']);

/** Names of metrics that the code defines as a literal text, with the file of each. */
function definedIn(files: ReadonlyMap<string, ProductFile>): Map<string, string> {
  const names = new Map<string, string>();
  for (const file of files.values()) {
    for (const call of file.nodes) {
      if (!isCallExpression(call)) continue;
      const [name] = call.arguments;
      if (!isPropertyAccessExpression(call.expression) || !kinds.has(call.expression.name.text)) continue;
      if (name !== undefined && isStringLiteral(name)) names.set(name.text, file.path);
    }
  }
  if (names.size < 100) throw new Error(`only ${names.size} definitions of metrics were found`);
  return names;
}
