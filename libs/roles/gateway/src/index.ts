/** Public exports of the gateway; wiring is their only user. */
export { ExploreApi } from './api/explore-api.ts';
export { ExplainApi } from './api/explain-api.ts';
export { ExportApi } from './api/export-api.ts';
export { QueryFrontend } from './frontend/query-frontend.ts';
export { formatQueryTask, LongQueries, readQueriesTask } from './api/long-queries.ts';
export { MetadataApi } from './api/metadata-api.ts';
export { QueryApi } from './api/query-api.ts';
export { RequestLog } from './api/request-log.ts';
export { TailApi } from './api/tail-api.ts';
export { VolumeApi } from './api/volume-api.ts';
