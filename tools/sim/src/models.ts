import { clusterBugs, plantedBugs, simulate, simulateCluster } from '@loki/simulator';
import type { ClusterBug, ClusterSimResult, PlantedBug, SimResult } from '@loki/simulator';

/**
 * `process`: all roles in one process. `cluster`: several processes of each role over a network, rings and a
 * shared log.
 */
export const models = ['process', 'cluster'] as const;
export type Model = (typeof models)[number];

/** Bugs that can be planted, with the model that each belongs to; some in both. */
export const bugs = { ...plantedBugs, ...clusterBugs };
export type BugName = PlantedBug | ClusterBug;

export function hasBug(model: Model, bug: BugName): boolean {
  return Object.hasOwn(model === 'process' ? plantedBugs : clusterBugs, bug);
}

interface Simulated {
  readonly seed: number;
  readonly bug?: BugName;
  readonly onTrace?: (line: string) => void;
}

export function runModel(
  model: Model,
  { seed, bug, onTrace }: Simulated,
): Promise<SimResult | ClusterSimResult> {
  return model === 'process'
    ? simulate({ seed, onTrace, bug: bug as PlantedBug | undefined })
    : simulateCluster({ seed, onTrace, bug: bug as ClusterBug | undefined });
}
