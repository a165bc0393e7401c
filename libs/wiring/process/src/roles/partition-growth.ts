/** Adds partitions that a shared log has been given: step *shard* of a written line. */
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
 * How often the log is asked for its partitions. They are added once in months, but a push waits for the
 * store when the answer is older than half a minute.
 */
const askMs = 15_000;
/** How often, while a change is under way. */
const stageAskMs = 5_000;

/**
 * Asks the log from time to time how many partitions it has, and leads a change of their number through its
 * stages. Each distributor does so; the first to write a stage wins.
 */
export class PartitionGrowth {
  readonly #deps: PartitionGrowthDeps;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  constructor(deps: PartitionGrowthDeps) {
    this.#deps = deps;
  }

  /** Writes the present number where the store has none, and asks from then on. */
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
