/** Rings: members, tokens, and who owns a partition, a day, a rule group or a stream. */
export { agree, formerValueOf } from './former-value.ts';
export type { EntryChange } from './former-value.ts';
export { decodeInstance, decodeInstances, encodeInstance, encodeInstances } from './instance.ts';
export type { InstanceState, RingInstance } from './instance.ts';
export { ownedPartitions, partitionLeadership, partitionOwners } from './partitions.ts';
export { RingMember } from './ring-member.ts';
export { ringHtml, ringJson } from './ring-page.ts';
export { RingView } from './ring-view.ts';
export { Ring } from './ring.ts';
export type { ObservedInstance } from './ring.ts';
export { tokenOf, tokensOf } from './tokens.ts';
export { WorkShare } from './work.ts';
