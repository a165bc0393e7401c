export type { InstanceState, RingInstance } from './instance.ts';
export { ownedPartitions, partitionLeadership, partitionOwners } from './partitions.ts';
export { RingMember } from './ring-member.ts';
export { ringHtml, ringJson } from './ring-page.ts';
export { RingView } from './ring-view.ts';
export { Ring } from './ring.ts';
export type { ObservedInstance } from './ring.ts';
export { tokenOf, tokensOf } from './tokens.ts';
export { WorkShare } from './work.ts';
