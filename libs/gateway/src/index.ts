export { QueryFrontend } from './frontend.ts';
export type { Answer, FrontendDeps, FrontendOptions } from './frontend.ts';
export { MetadataApi } from './metadata-api.ts';
export type { Tenancy } from './multi-tenant.ts';
export { QueryApi } from './query-api.ts';
export { TailApi } from './tail-api.ts';
export type { TailSocket } from './tail-api.ts';
export { VolumeApi } from './volume-api.ts';
export type { VolumeApiDeps } from './volume-api.ts';
