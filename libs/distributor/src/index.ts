export { Distributor } from './distributor.ts';
export type { DistributorDeps } from './distributor.ts';
export type { DiscardReason } from './discard.ts';
export { decompressedBytesMaxOf, defaultDistributorOptions } from './options.ts';
export type { DistributorOptions } from './options.ts';
export type { ResolvedStream, StreamRejection } from './resolve-stream.ts';
export { StreamRegistry } from './stream-admission.ts';
export type { StreamLimiter, StreamLimiters } from './stream-claims.ts';
export type {
  AdmissionProblem,
  OfferedRows,
  StreamAdmission,
  StreamRegistryOptions,
} from './stream-admission.ts';
