export { DeletesApi } from './deletes-api.ts';
export type { DeletesApiDeps } from './deletes-api.ts';
export { noCompactorMetrics } from './metrics.ts';
export type { CompactorMetrics } from './metrics.ts';
