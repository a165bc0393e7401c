export { Cluster } from './cluster.ts';
export type { AppProcess } from './cluster.ts';
export { membersOf, wholeSystem } from './members.ts';
export type { AppName, Member } from './members.ts';
