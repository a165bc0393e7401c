/** The dependencies that all partitions of an embedded log share. */
import type { Disk, Random, Timers } from '@loki/ports';
import type { CommitScheduler } from './commit-scheduler.ts';
import type { DamagedRange } from './scan.ts';

/** Bytes of all files of one log. */
export interface DiskUsage {
  bytes: number;
}

/** The dependencies of the partitions of one log. */
export interface PartitionLogDeps {
  readonly disk: Disk;
  readonly timers: Timers;
  readonly random: Random;
  readonly scheduler: CommitScheduler;
  readonly fileBytesMax: number;
  readonly batchBytesMax: number;
  readonly recentBytesMax: number;
  /** False: an append is on the disk only about a second after its acknowledgement. */
  readonly fsync: boolean;
  readonly usage: DiskUsage;
  readonly onDamage: (partition: number, path: string, range: DamagedRange) => void;
  /** Called when more records are durable than before. */
  readonly onDurable: () => void;
}
