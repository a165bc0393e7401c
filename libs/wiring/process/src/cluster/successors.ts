/** Waits until other ingesters serve the partitions of a leaving one. */
import type { Clock, IngesterService, Timers } from '@loki/ports';
import { partitionOwners } from '@loki/ring';
import type { ObservedInstance, RingView } from '@loki/ring';

interface SuccessorsDeps {
  readonly ingesters: RingView;
  /** Id of this ingester. */
  readonly ownId: string;
  readonly replicationFactor: number;
  readonly serviceOf: (instance: ObservedInstance) => IngesterService;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Pause between two calls to a successor. */
const askMs = 300;
/**
 * Time after which a successor that cannot read a partition (log or store is away) is no longer waited for.
 */
const waitMs = 60_000;
/** Time after the successor's confirmation until all queriers know the new owner and ask it. */
const lastQuestionsMs = 2_000;

interface Answer {
  readonly atMs: number;
  readonly partitions: Promise<ReadonlySet<number>>;
}

/** The ingesters that take over partitions from this one, and whether they have caught up. */
export class Successors {
  readonly #deps: SuccessorsDeps;
  /** Answers by instance id: one call serves many partitions. */
  readonly #answers = new Map<string, Answer>();

  constructor(deps: SuccessorsDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when another owner serves the partition, or after a minute. If no other instance could own it,
   * this process continues to serve it.
   */
  async takeOver(partition: number, signal?: AbortSignal): Promise<void> {
    const { clock, timers } = this.#deps;
    let sinceMs = clock.monotonicMs();
    while (!(await this.#isTaken(partition)) && clock.monotonicMs() - sinceMs < waitMs) {
      if (!this.#hasOthers()) sinceMs = clock.monotonicMs();
      await timers.sleep(askMs, signal);
    }
    await timers.sleep(lastQuestionsMs, signal);
  }

  /**
   * Like `takeOver` for all partitions of this process before it ends; does not wait for owners that do not
   * exist.
   */
  async takeOverAll(partitions: readonly number[]): Promise<void> {
    const nobody = new AbortController();
    const look = async () => {
      while (this.#hasOthers()) await this.#deps.timers.sleep(askMs, nobody.signal);
    };
    const takeovers = Promise.all(partitions.map((partition) => this.takeOver(partition, nobody.signal)));
    try {
      await Promise.race([takeovers, look()]);
    } finally {
      nobody.abort();
      await Promise.allSettled([takeovers]);
    }
  }

  #hasOthers(): boolean {
    return this.#deps.ingesters.ring.eligible.some(({ id }) => id !== this.#deps.ownId);
  }

  async #isTaken(partition: number): Promise<boolean> {
    const { ingesters, ownId, replicationFactor } = this.#deps;
    const { ring } = ingesters;
    // One more than the owners, because this process may still count as one of them.
    const ids = partitionOwners(ring, partition, replicationFactor + 1).filter((id) => id !== ownId);
    const owners = ids.slice(0, replicationFactor).map((id) => ring.get(id)!);
    const ownsPartition = await Promise.all(
      owners.map(async (owner) => (await this.#partitionsOf(owner)).has(partition)),
    );
    return ownsPartition.includes(true);
  }

  #partitionsOf(instance: ObservedInstance): Promise<ReadonlySet<number>> {
    const nowMs = this.#deps.clock.monotonicMs();
    const cachedAnswer = this.#answers.get(instance.id);
    if (cachedAnswer && nowMs - cachedAnswer.atMs < askMs) return cachedAnswer.partitions;
    const partitions = this.#deps
      .serviceOf(instance)
      .partitions()
      .then(
        (list) => new Set(list),
        () => new Set<number>(), // no answer: the loop tries again
      );
    this.#answers.set(instance.id, { atMs: nowMs, partitions });
    return partitions;
  }
}
