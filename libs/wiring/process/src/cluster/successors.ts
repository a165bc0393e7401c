import type { Clock, IngesterService, Timers } from '@loki/ports';
import { partitionOwners } from '@loki/ring';
import type { ObservedInstance, RingView } from '@loki/ring';

interface SuccessorsDeps {
  readonly ingesters: RingView;
  /** This ingester. */
  readonly ownId: string;
  readonly replicationFactor: number;
  readonly serviceOf: (instance: ObservedInstance) => IngesterService;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** How often successors are asked. */
const askMs = 300;
/**
 * A successor that cannot read a partition, because the log or the store is away, is not waited for any
 * longer.
 */
const waitMs = 60_000;
/** From the successor's word on: until all queriers have heard that it owns the partition, and asked it. */
const lastQuestionsMs = 2_000;

interface Answer {
  readonly atMs: number;
  readonly partitions: Promise<ReadonlySet<number>>;
}

/**
 * The ingesters that take over partitions from this one: whether they have read what they are to answer for.
 */
export class Successors {
  readonly #deps: SuccessorsDeps;
  /** By instance id: the same question for many partitions is asked once. */
  readonly #answers = new Map<string, Answer>();

  constructor(deps: SuccessorsDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when another owner answers for the partition, or none of them gets so far in a minute. While
   * nobody else could own it this process has to go on answering.
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
   * The same of all that this process has, before it ends: it does not wait for others that are not there.
   */
  async takeOverAll(partitions: readonly number[]): Promise<void> {
    const nobody = new AbortController();
    const look = async () => {
      while (this.#hasOthers()) await this.#deps.timers.sleep(askMs, nobody.signal);
    };
    const taken = Promise.all(partitions.map((partition) => this.takeOver(partition, nobody.signal)));
    try {
      await Promise.race([taken, look()]);
    } finally {
      nobody.abort();
      await Promise.allSettled([taken]);
    }
  }

  #hasOthers(): boolean {
    return this.#deps.ingesters.ring.eligible.some(({ id }) => id !== this.#deps.ownId);
  }

  async #isTaken(partition: number): Promise<boolean> {
    const { ingesters, ownId, replicationFactor } = this.#deps;
    const { ring } = ingesters;
    // One more than there are owners, as this process may still count as one of them.
    const ids = partitionOwners(ring, partition, replicationFactor + 1).filter((id) => id !== ownId);
    const owners = ids.slice(0, replicationFactor).map((id) => ring.get(id)!);
    const taken = await Promise.all(
      owners.map(async (owner) => (await this.#partitionsOf(owner)).has(partition)),
    );
    return taken.includes(true);
  }

  #partitionsOf(instance: ObservedInstance): Promise<ReadonlySet<number>> {
    const nowMs = this.#deps.clock.monotonicMs();
    const known = this.#answers.get(instance.id);
    if (known && nowMs - known.atMs < askMs) return known.partitions;
    const partitions = this.#deps
      .serviceOf(instance)
      .partitions()
      .then(
        (list) => new Set(list),
        () => new Set<number>(), // away: it is asked again
      );
    this.#answers.set(instance.id, { atMs: nowMs, partitions });
    return partitions;
  }
}
