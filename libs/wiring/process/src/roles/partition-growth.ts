/** Takes new partitions of a shared log into use: step *shard* of a written line. */
import type { PartitionLayout } from '@loki/catalog';
import type { Clock, Logger, Random, TimerHandle, Timers, WriteLog } from '@loki/ports';
import { patiently } from '../stores/patiently.ts';

interface PartitionGrowthDeps {
  readonly layout: PartitionLayout;
  readonly writeLog: WriteLog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly onMissing: (text: string | undefined) => void;
}

/**
 * Interval of reads of the log's number of partitions. New ones are rare, but a push waits for the store when
 * the number is older than half a minute.
 */
const askMs = 15_000;
/** The same interval during a change. */
const stageAskMs = 5_000;

/**
 * Reads the log's number of partitions periodically, and leads a change of the number through its stages.
 * Each distributor does so; the first to write a stage wins.
 */
export class PartitionGrowth {
  readonly #deps: PartitionGrowthDeps;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  constructor(deps: PartitionGrowthDeps) {
    this.#deps = deps;
  }

  /** Writes the present number where the store has none, and starts the periodic reads. */
  async start(): Promise<void> {
    const { layout, writeLog } = this.#deps;
    const advance = async () => void (await layout.advance(writeLog.partitionCount));
    await patiently('the number of partitions in the object store', advance, this.#deps);
    this.#askIn(stageAskMs);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #askIn(ms: number): void {
    if (!this.#isStopped) this.#timer = this.#deps.timers.after(ms, () => void this.#ask());
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const { layout, writeLog, clock, logger } = this.#deps;
    let isDone = true;
    try {
      const askedMs = clock.monotonicMs();
      const count = (await writeLog.countPartitions?.()) ?? writeLog.partitionCount;
      isDone = await layout.advance(count, askedMs);
    } catch (error) {
      if (!this.#isStopped) logger.warn('partitions could not be counted', { err: String(error) });
    }
    this.#askIn(isDone ? askMs : stageAskMs);
  }
}
