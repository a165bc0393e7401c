import type { Disk, Random, Timers } from '@loki/ports';
import type { CommitScheduler } from './commit-scheduler.ts';
import type { DamagedRange } from './scan.ts';

/** Bytes of all files of one log. */
export interface DiskUsage {
  bytes: number;
}

/** Shared by all partitions of one log. */
export interface PartitionLogDeps {
  readonly disk: Disk;
  readonly timers: Timers;
  readonly random: Random;
  readonly scheduler: CommitScheduler;
  readonly fileBytesMax: number;
  readonly batchBytesMax: number;
  readonly recentBytesMax: number;
  /** False: the disk has an append only about a second after it was acknowledged. */
  readonly fsync: boolean;
  readonly usage: DiskUsage;
  readonly onDamage: (partition: number, path: string, range: DamagedRange) => void;
  /** More records are durable than before. */
  readonly onDurable: () => void;
}
