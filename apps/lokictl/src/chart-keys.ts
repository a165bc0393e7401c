/** The keys of Loki's chart: those that stay, those with a new name, and those with a hint. */

export type Target = Record<string, unknown>;

/** Keys that a component has in both charts. */
export const sameKeys = [
  'replicas',
  'resources',
  'extraArgs',
  'extraEnv',
  'extraEnvFrom',
  'extraVolumes',
  'extraVolumeMounts',
  'extraContainers',
  'initContainers',
  'podAnnotations',
  'podLabels',
  'serviceAnnotations',
  'serviceLabels',
  'nodeSelector',
  'tolerations',
  'affinity',
  'topologySpreadConstraints',
  'priorityClassName',
  'hostAliases',
  'dnsConfig',
  'terminationGracePeriodSeconds',
  'lifecycle',
] as const;

/** The component here that a workload of Loki's chart stands for. */
export const successors: Readonly<Record<string, readonly string[]>> = {
  read: ['gateway', 'querier'],
  write: ['distributor', 'ingester'],
  backend: ['compactor'],
  singleBinary: ['single'],
  ingester: ['ingester'],
  distributor: ['distributor'],
  querier: ['querier'],
  queryFrontend: ['gateway'],
  compactor: ['compactor'],
  ruler: ['ruler'],
};

export const stateful = ['ingester', 'compactor', 'single'];

/** Blocks of the configuration file by their names in the chart, where the names differ. */
export const blockNames: ReadonlyMap<string, string> = new Map([
  ['commonConfig', 'common'],
  ['schemaConfig', 'schema_config'],
  ['rulerConfig', 'ruler'],
]);

export const blocks = [
  'analytics',
  'chunk_store_config',
  'compactor',
  'distributor',
  'frontend',
  'frontend_worker',
  'ingester',
  'ingester_client',
  'limits_config',
  'operational_config',
  'pattern_ingester',
  'querier',
  'query_range',
  'query_scheduler',
  'server',
  'storage_config',
  'tracing',
  ...blockNames.keys(),
];

/** Keys that this chart sets itself: another value would separate the processes, or their probes. */
export const ownKeys: readonly [path: string, reason: string][] = [
  ['server.http_listen_port', 'pods listen on 3100'],
  ['server.grpc_listen_port', 'pods listen on 9095'],
  ['common.path_prefix', 'pods have their files in /var/loki'],
  ['common.compactor_address', 'gateways find compactors by the ring'],
  ['common.compactor_grpc_address', 'gateways find compactors by the ring'],
  ['common.ring', 'the ring is in Redis'],
  ['frontend.scheduler_address', 'queriers find gateways by the ring'],
  ['frontend_worker.scheduler_address', 'queriers find gateways by the ring'],
  ['frontend_worker.frontend_address', 'queriers find gateways by the ring'],
];
