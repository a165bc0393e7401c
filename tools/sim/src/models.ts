/** The models of the simulator and their planted bugs. */
import {
  alwaysFaults,
  catalogBugs,
  clusterBugs,
  ownerBugs,
  largeScale,
  plantedBugs,
  scaleBugs,
  simulate,
  simulateCatalog,
  simulateCluster,
  simulateOwners,
  simulateScale,
} from '@loki/simulator';
import type {
  AlwaysFault,
  CatalogBug,
  CatalogSimResult,
  ClusterBug,
  ClusterSimResult,
  OwnerBug,
  OwnersSimResult,
  PlantedBug,
  ScaleBug,
  ScaleSimResult,
  SimResult,
} from '@loki/simulator';

/**
 * `process`: all roles in one process. `cluster`: several processes of each role over a network, rings and a
 * shared log. `owners`: two processes, each with its own log, that compete for one object store. `catalog`:
 * writers, compactors and readers of the catalog that sleep while old manifests are removed. `scale`: the
 * ring, owners and catalog of a large system; 60 members and partitions, or a thousand.
 */
export const models = ['process', 'cluster', 'owners', 'catalog', 'scale'] as const;
export type Model = (typeof models)[number];

/** Bugs that can be planted, with the model that each belongs to; some in both. */
export const bugs = { ...plantedBugs, ...clusterBugs, ...ownerBugs, ...catalogBugs, ...scaleBugs };
export type BugName = PlantedBug | ClusterBug | OwnerBug | CatalogBug | ScaleBug;

export function hasBug(model: Model, bug: BugName): boolean {
  const bugsOf = {
    process: plantedBugs,
    cluster: clusterBugs,
    owners: ownerBugs,
    catalog: catalogBugs,
    scale: scaleBugs,
  };
  return Object.hasOwn(bugsOf[model], bug);
}

/** Whether a model knows a fault of every seed. */
export function hasFault(model: Model, fault: AlwaysFault): boolean {
  return model in alwaysFaults[fault];
}

interface Simulated {
  readonly seed: number;
  readonly bug?: BugName;
  readonly always?: AlwaysFault;
  readonly onTrace?: (line: string) => void;
  /** The model `scale` with a thousand members and partitions. */
  readonly isLarge?: boolean;
}

export function runModel(
  model: Model,
  { seed, bug, always, onTrace, isLarge = false }: Simulated,
): Promise<SimResult | ClusterSimResult | OwnersSimResult | CatalogSimResult | ScaleSimResult> {
  switch (model) {
    case 'process':
      return simulate({ seed, always, onTrace, bug: bug as PlantedBug | undefined });
    case 'cluster':
      return simulateCluster({ seed, always, onTrace, bug: bug as ClusterBug | undefined });
    case 'owners':
      return simulateOwners({ seed, onTrace, bug: bug as OwnerBug | undefined });
    case 'catalog':
      return simulateCatalog({ seed, onTrace, bug: bug as CatalogBug | undefined });
    case 'scale':
      return simulateScale({
        seed,
        onTrace,
        bug: bug as ScaleBug | undefined,
        ...(isLarge ? { sizes: largeScale } : {}),
      });
  }
}
