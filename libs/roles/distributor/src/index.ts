/** Public exports of the distributor; wiring is their main user. */
export { decodePushTask } from './decode/decode-push-task.ts';
export { ConsumerLag } from './write/consumer-lag.ts';
export { Distributor } from './distributor.ts';
export { decompressedBytesMaxOf } from './options.ts';
export { refusedPush } from './respond.ts';
export type { DiscardReason } from './streams/discard.ts';
export type { StreamLimitOwner, StreamLimitOwners } from './admit/stream-limit-claims.ts';
