export { decodePushTask } from './decode/decode-push-task.ts';
export { Distributor } from './distributor.ts';
export { decompressedBytesMaxOf } from './options.ts';
export type { StreamLimiter, StreamLimiters } from './admit/stream-claims.ts';
