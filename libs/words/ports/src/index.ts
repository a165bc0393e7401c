/** Ports: the interfaces through which roles and engines see time, disk, network, threads and each other. */
export type { CatalogNews, CatalogNumbers, PartitionNews, SharedLogNumbers } from './catalog-news.ts';
export type { Disk, DiskFile } from './disk.ts';
export type { HttpClient, HttpClientRequest, HttpClientResponse, HttpClientTls } from './http-client.ts';
export type { HttpGate, HttpHandler, HttpRequest, HttpResponse } from './http.ts';
export { errorText, jsonHeaders, jsonResponse, jsonTextResponse, textResponse } from './http-answers.ts';
export { addLeafStats, emptyLeafStats, emptyLogResult } from './leaf.ts';
export type {
  LabelSet,
  LeafDelete,
  LeafRequest,
  LeafResult,
  LeafStats,
  LogLeafRequest,
  LogLeafResult,
  PartitionHead,
  SampleLeafRequest,
  SampleLeafResult,
  SeriesSamples,
  SeriesState,
  StreamOrigin,
  StreamShard,
} from './leaf.ts';
export type { LogFields, Logger } from './logger.ts';
export type { ObjectInfo, ObjectStore } from './object-store.ts';
export type { CheckedRange, ObjectTail, RangeCache } from './range-cache.ts';
export type { CachePolicy, ResultsCache, ResultsKind } from './results-cache.ts';
export type { RouteService, RulerService } from './peer-services.ts';
export type { RingNews, RingPut, RingStore } from './ring-store.ts';
export type {
  DistributorService,
  HeadAnswer,
  StreamClaim,
  StreamLimitService,
  IngesterService,
  PatternSeries,
  PatternService,
  PatternsRequest,
  QuerierService,
  StoredBytesRequest,
  StreamGrouping,
  StreamsRequest,
  StreamVolume,
  TailFrame,
  VolumeBuckets,
} from './services.ts';
export type { Tenancy } from './tenancy.ts';
export { tenantsText } from './tenancy.ts';
export { storedIntervalsMax } from './services.ts';
export type { Clock, Random, TimerHandle, Timers } from './time.ts';
export type { CheckCancelled, Task, TaskOptions, WorkerEnv, Workers } from './workers.ts';
export type { LoggedRecord, LogRecord, WriteLog } from './write-log.ts';
export { retry } from './retry.ts';
export { atOnce, inSlices, nextTurn } from './slices.ts';
export type { SlicedWork } from './slices.ts';
