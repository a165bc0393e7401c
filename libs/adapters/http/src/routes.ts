/** The table of all HTTP routes, with the facts that the server needs: step *admit*. */

/** The kind of a route's body, which decides its bound. */
export type BodyKind = 'none' | 'push' | 'form' | 'rules';

/** One row of the table of routes: the facts that the server needs before it calls a handler. */
export interface RouteSpec {
  /** Undefined: any method. */
  readonly methods?: readonly string[];
  /** `:name` matches one segment. */
  readonly path: string;
  readonly body: BodyKind;
  /** Answered by Loki's query frontend, whose errors end without a newline. */
  readonly isQuery?: boolean;
  /**
   * With `server.admin_listen_port`: answered on that port only, or on both ports. Absent: on the HTTP port
   * only.
   */
  readonly port?: 'admin' | 'both';
  /** Requests that change state, which pages of other sites may not send. Absent: none. */
  readonly changes?: 'always' | 'unlessGet';
}

const get = ['GET'] as const;
const post = ['POST'] as const;
const getPost = ['GET', 'POST'] as const;

const query = (path: string) => ({ methods: getPost, path, body: 'form', isQuery: true }) as const;
const read = (path: string) => ({ methods: get, path, body: 'none' }) as const;
/** A route for probes and operators, which every port answers. */
const probe = (path: string) => ({ methods: get, path, body: 'none', port: 'both' }) as const;
const push = (path: string) => ({ methods: post, path, body: 'push' }) as const;
const admin = (path: string, methods: readonly string[] | undefined = get) =>
  ({ methods, path, body: 'form', port: 'admin', changes: 'unlessGet' }) as const;
/** An operator route that changes state by GET as well. */
const act = (path: string, methods: readonly string[]) =>
  ({ methods, path, body: 'form', port: 'admin', changes: 'always' }) as const;
const rules = (path: string, methods: readonly string[]) =>
  ({ methods, path, body: 'rules', changes: 'unlessGet' }) as const;

/**
 * Every route. Other paths are answered `404 page not found`, other methods 405. HEAD is answered
 * for routes with GET only. The `route` label of metrics follows from the path (`routeLabel`).
 */
export const routes = {
  push: push('/loki/api/v1/push'),
  pushLegacy: push('/api/prom/push'),
  pushOtlp: push('/otlp/v1/logs'),

  query: query('/loki/api/v1/query'),
  queryRange: query('/loki/api/v1/query_range'),
  labels: query('/loki/api/v1/labels'),
  label: query('/loki/api/v1/label'),
  labelValues: query('/loki/api/v1/label/:name/values'),
  series: query('/loki/api/v1/series'),
  indexStats: query('/loki/api/v1/index/stats'),
  indexVolume: query('/loki/api/v1/index/volume'),
  indexVolumeRange: query('/loki/api/v1/index/volume_range'),
  indexShards: query('/loki/api/v1/index/shards'),
  detectedLabels: query('/loki/api/v1/detected_labels'),
  detectedFields: query('/loki/api/v1/detected_fields'),
  detectedFieldValues: query('/loki/api/v1/detected_field/:name/values'),
  patterns: query('/loki/api/v1/patterns'),
  formatQuery: query('/loki/api/v1/format_query'),
  /** Loki has neither `export` nor `explain`. */
  export: query('/loki/api/v1/export'),
  explain: query('/loki/api/v1/explain'),
  tail: read('/loki/api/v1/tail'),
  drilldownLimits: read('/loki/api/v1/drilldown-limits'),
  tenantLimits: read('/config/tenant/v1/limits'),
  buildInfo: probe('/loki/api/v1/status/buildinfo'),

  queryLegacy: query('/api/prom/query'),
  labelLegacy: query('/api/prom/label'),
  labelValuesLegacy: query('/api/prom/label/:name/values'),
  seriesLegacy: query('/api/prom/series'),
  tailLegacy: read('/api/prom/tail'),

  deletes: {
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    path: '/loki/api/v1/delete',
    body: 'form',
    changes: 'unlessGet',
  },
  cacheGenerations: read('/loki/api/v1/cache/generation_numbers'),
  cacheGenerationsIncrease: {
    methods: post,
    path: '/loki/api/v1/cache/generation_numbers/increase',
    body: 'form',
    changes: 'always',
  },

  rules: rules('/loki/api/v1/rules', get),
  rulesNamespace: rules('/loki/api/v1/rules/:namespace', ['GET', 'POST', 'DELETE']),
  rulesGroup: rules('/loki/api/v1/rules/:namespace/:groupname', ['GET', 'DELETE']),
  rulesLegacy: rules('/api/prom/rules', get),
  rulesNamespaceLegacy: rules('/api/prom/rules/:namespace', ['GET', 'POST', 'DELETE']),
  rulesGroupLegacy: rules('/api/prom/rules/:namespace/:groupname', ['GET', 'DELETE']),
  prometheusRules: read('/prometheus/api/v1/rules'),
  prometheusAlerts: read('/prometheus/api/v1/alerts'),
  prometheusRulesLegacy: read('/api/prom/api/v1/rules'),
  prometheusAlertsLegacy: read('/api/prom/api/v1/alerts'),

  root: read('/'),
  ready: probe('/ready'),
  healthz: probe('/healthz'),
  metrics: { path: '/metrics', body: 'form', port: 'admin' },
  config: admin('/config'),
  services: admin('/services'),
  logLevel: admin('/log_level', getPost),
  ring: admin('/ring', getPost),
  distributorRing: admin('/distributor/ring', getPost),
  schedulerRing: admin('/scheduler/ring', getPost),
  rulerRing: admin('/ruler/ring', getPost),
  compactorRing: admin('/compactor/ring', getPost),
  indexGatewayRing: admin('/indexgateway/ring', getPost),
  patternRing: admin('/pattern/ring', getPost),
  partitionRing: admin('/partition-ring', getPost),
  memberlist: admin('/memberlist', getPost),
  flush: act('/flush', getPost),
  flushTenant: act('/flush/tenant', post),
  prepareShutdown: admin('/ingester/prepare_shutdown', ['GET', 'POST', 'DELETE']),
  preparePartitionDownscale: admin('/ingester/prepare_partition_downscale', ['GET', 'POST', 'DELETE']),
  ingesterShutdown: act('/ingester/shutdown', getPost),
  ingesterPartitions: admin('/ingester/partitions'),
  compactorStatus: admin('/compactor/status'),
  compactorMerge: act('/compactor/merge', post),
  partitions: admin('/partitions'),
  processUsage: admin('/usage/process'),
  usage: admin('/usage'),
  compaction: admin('/compaction'),
} as const satisfies Record<string, RouteSpec>;

/** Name of a route in the code. Handlers are registered under it, here and over gRPC. */
export type RouteId = keyof typeof routes;

/** Loki's `route` label: `/loki/api/v1/label/:name/values` is `loki_api_v1_label_name_values`. */
export function routeLabel(path: string): string {
  const label = path.replaceAll(/[/:]+/g, '_').replace(/^_+/, '').replace(/_+$/, '').replaceAll('-', '_');
  return label === '' ? 'root' : label;
}

/** The label of requests without a route. */
export const otherRoute = 'other';
