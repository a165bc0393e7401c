/** Exports of the development cluster for other tools. */
export { Cluster, mainOf } from './cluster.ts';
export type { AppProcess } from './cluster.ts';
export { devCommand } from './dev-member.ts';
export { memberOf, membersOf, wholeSystem } from './members.ts';
export type { AppName, Member } from './members.ts';
