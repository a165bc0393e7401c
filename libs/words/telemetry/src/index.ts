/** Telemetry: metrics under Loki's names, the process's log, traces. */
export { buildInfo, buildInfoMetric, versionText } from './build-info.ts';
export type { BuildInfo } from './build-info.ts';
export { canaryMetrics } from './canary-metrics.ts';
export type { CanaryMetrics } from './canary-metrics.ts';
export { compactorMetrics } from './compactor-metrics.ts';
export type { CompactorMetrics } from './compactor-metrics.ts';
export { cacheMetrics } from './cache-metrics.ts';
export { memcachedMetrics } from './memcached-metrics.ts';
export {
  certificateExpiryMetric,
  commonMetrics,
  droppedLogLinesMetric,
  refusedRpcConnectionsMetric,
} from './common-metrics.ts';
export { distributorMetrics, lineBytesBuckets } from './distributor-metrics.ts';
export type { DistributorMetrics } from './distributor-metrics.ts';
export { serverMetrics } from './http-metrics.ts';
export type { ServerMetrics } from './http-metrics.ts';
export { IdleTenants } from './idle-tenants.ts';
export { ingesterMetrics } from './ingester-metrics.ts';
export type { IngesterMetrics } from './ingester-metrics.ts';
export { LogOutput } from './log-output.ts';
export { createLogger } from './logger.ts';
export type { LogControl, LogLevel } from './logger.ts';
export { Metrics } from './metrics.ts';
export { diskCacheMetrics } from './disk-cache-metrics.ts';
export type { DiskCacheLookups, DiskCacheObserver } from './disk-cache-metrics.ts';
export { objectStoreMetrics } from './object-store-metrics.ts';
export type { BucketRequest, StoreCall, StoreObserver } from './object-store-metrics.ts';
export { collectProcessMetrics } from './process-metrics.ts';
export { expositionFor } from './open-metrics.ts';
export { patternMetrics } from './pattern-metrics.ts';
export type { PatternMetrics } from './pattern-metrics.ts';
export { queryMetrics } from './query-metrics.ts';
export type { QueryMetrics } from './query-metrics.ts';
export { measuredResultsCache } from './results-cache-metrics.ts';
export { countHeartbeat, measuredRingStore, ringMetrics } from './ring-metrics.ts';
export type { RingMemberStatus } from './ring-metrics.ts';
export { rulerMetrics } from './ruler-metrics.ts';
export type { RemoteLabels, RulerMetrics } from './ruler-metrics.ts';
export { countedDistributor, countedIngester } from './service-metrics.ts';
export {
  addMeasuredSpan,
  inCurrentSpan,
  isTracing,
  startSpan,
  startTracing,
  traceHeaders,
  withServerSpan,
  withSpan,
} from './tracing.ts';
export type { SpanAttributes } from './tracing.ts';
