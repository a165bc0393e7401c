export { plantedBugs } from './planted-bugs.ts';
export type { PlantedBug } from './planted-bugs.ts';
export { clusterBugs } from './cluster-bugs.ts';
export type { ClusterBug } from './cluster-bugs.ts';
export { simulateCluster } from './simulate-cluster.ts';
export type { ClusterSimResult } from './simulate-cluster.ts';
export { simulate } from './simulate.ts';
export type { SimResult } from './simulate.ts';
