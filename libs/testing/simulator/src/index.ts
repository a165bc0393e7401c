/** Public exports of the simulator, for tools/sim and tests. */
export { alwaysFaults } from './always.ts';
export type { AlwaysFault } from './always.ts';
export { plantedBugs } from './planted-bugs.ts';
export type { PlantedBug } from './planted-bugs.ts';
export { clusterBugs } from './cluster-bugs.ts';
export type { ClusterBug } from './cluster-bugs.ts';
export { simulateCluster } from './simulate-cluster.ts';
export type { ClusterSimResult } from './simulate-cluster.ts';
export { simulate } from './simulate.ts';
export type { SimResult } from './simulate.ts';
export { ownerBugs, simulateOwners } from './simulate-owners.ts';
export type { OwnerBug, OwnersSimResult } from './simulate-owners.ts';
export { catalogBugs } from './catalog-bugs.ts';
export type { CatalogBug } from './catalog-bugs.ts';
export { simulateCatalog } from './simulate-catalog.ts';
export type { CatalogSimResult } from './simulate-catalog.ts';
