/** The shared world of a simulated cluster: log, store, rings, network. */
import type { CompactorOptions } from '@loki/compactor';
import type { Ingester, IngesterOptions } from '@loki/ingester';
import type { VirtualBucket, VirtualLog, VirtualNetwork, VirtualProcess, VirtualRings } from '@loki/virtual';
import type { ClusterBug } from './cluster-bugs.ts';
import type { ClusterFaults } from './cluster-faults.ts';
import type { SimStreamRates } from './sim-node.ts';

/** The counts of a simulation of several processes, to show that it went where it should. */
export type ClusterCount =
  'sharded' | 'repeats' | 'duplicates' | 'flushes' | 'flushesLost' | 'merges' | 'objectsDeleted';

/** The world that outlives all processes, and that they share. */
export interface ClusterWorld {
  readonly network: VirtualNetwork;
  readonly bucket: VirtualBucket;
  readonly log: VirtualLog;
  readonly rings: VirtualRings;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly ingesterOptions: Partial<IngesterOptions>;
  readonly compactorOptions: Partial<CompactorOptions>;
  /** Limits of a stream's rate; undefined: no seed's clients reach them. */
  readonly streamRates: SimStreamRates | undefined;
  readonly bug: ClusterBug | undefined;
  /** Read at each use: the faults of the moment. */
  readonly faults: () => ClusterFaults;
  readonly onCount: (name: ClusterCount, by: number) => void;
  /** Called instead of going on at a named point, when the seed says so. */
  readonly onHookCrash: (process: VirtualProcess) => void;
  /** The ingester that answers under a name now. */
  readonly ingesterOf: (name: string) => IngesterNode | undefined;
}

/** One process as it is born: its name outlives it. */
export interface Birth {
  readonly name: string;
  readonly zone: string;
  readonly process: VirtualProcess;
}

export interface Booted extends Birth {
  readonly leave?: () => Promise<void>;
}

export interface IngesterNode extends Booted {
  readonly kind: 'ingester';
  readonly ingester: Ingester;
}
