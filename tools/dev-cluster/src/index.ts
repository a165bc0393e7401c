export { Cluster } from './cluster.ts';
export type { AppProcess, ClusterOptions } from './cluster.ts';
export { memberOf, membersOf, wholeSystem } from './members.ts';
export type { AppName, Member } from './members.ts';
