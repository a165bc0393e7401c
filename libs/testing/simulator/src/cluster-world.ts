/** The shared world of a simulated cluster: log, store, rings, network. */
import type { CompactorOptions } from '@loki/compactor';
import type { Ingester, IngesterOptions } from '@loki/ingester';
import type { VirtualBucket, VirtualLog, VirtualNetwork, VirtualProcess, VirtualRings } from '@loki/virtual';
import type { ClusterBug } from './cluster-bugs.ts';
import type { ClusterFaults } from './cluster-faults.ts';
import type { SimStreamRates } from './sim-shards.ts';

/** Counts of a simulation of several processes: they prove that it reached its subjects. */
export type ClusterCount =
  'sharded' | 'grown' | 'repeats' | 'duplicates' | 'flushes' | 'flushesLost' | 'merges' | 'objectsDeleted';

/** The shared world, which outlives all processes. */
export interface ClusterWorld {
  readonly network: VirtualNetwork;
  readonly bucket: VirtualBucket;
  readonly log: VirtualLog;
  readonly rings: VirtualRings;
  /** Partitions of the log at first; some seeds add others. */
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly ingesterOptions: Partial<IngesterOptions>;
  readonly compactorOptions: Partial<CompactorOptions>;
  /** Limits of a stream's rate; undefined: no seed's clients reach them. */
  readonly streamRates: SimStreamRates | undefined;
  /** Milliseconds that the clock of a process is ahead; undefined: clocks are right at a start. */
  readonly skewOf: ((name: string) => number) | undefined;
  readonly bug: ClusterBug | undefined;
  /** Readers never receive news: they learn of commits from the store alone. */
  readonly isNewsLost: boolean;
  /** The faults of the moment: read at each use. */
  readonly faults: () => ClusterFaults;
  readonly onCount: (name: ClusterCount, by: number) => void;
  /** Called at a named point in place of continuing, when the seed draws it. */
  readonly onHookCrash: (process: VirtualProcess) => void;
  /** The ingester with this name now. */
  readonly ingesterOf: (name: string) => IngesterNode | undefined;
}

/** A new process; its name outlives it. */
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
