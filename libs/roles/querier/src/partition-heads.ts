/** Asks an owner of each partition for its head: step *select* of a query. */
import { LokiError } from '@loki/model';
import type { ErrorCode, TenantId } from '@loki/model';
import type { HeadAnswer, IngesterService, LeafRequest, Logger, PartitionHead, TailFrame } from '@loki/ports';

/** The owners of a partition's head, best first. */
export interface PartitionOwners {
  /** All partitions that may hold data of the tenant. */
  partitions(tenant: string): readonly number[];
  /**
   * Waits until this process has read added partitions, without which an answer would lack lines; undefined:
   * it has. Absent: their number never changes.
   */
  current?(signal?: AbortSignal): Promise<void> | undefined;
  owners(partition: number): readonly IngesterService[];
  /** Follows a partition from owner to owner; absent: its owner never changes. */
  follow?(partition: number, request: LeafRequest, signal: AbortSignal): AsyncIterable<TailFrame>;
}

/** The answers of a tenant's heads to one question. */
export interface HeadAnswers<T> {
  /** Committed offsets by partition. */
  readonly upTo: ReadonlyMap<number, number>;
  readonly results: readonly T[];
}

/** A question to the head of a partition, asked to one of its owners. */
export type HeadQuestion<T> = (ingester: IngesterService, partition: number) => Promise<HeadAnswer<T>>;

/** Faults from which another owner of the partition may not suffer. */
const ownersFaults: ReadonlySet<ErrorCode> = new Set([
  'unavailable',
  'overloaded',
  'internal',
  'corrupt',
  'timeout',
]);

/** The heads of a tenant's partitions, wherever their owners are. */
export class PartitionHeads {
  readonly #ingesters: PartitionOwners;
  readonly #logger: Logger;

  constructor(ingesters: PartitionOwners, logger: Logger) {
    this.#ingesters = ingesters;
    this.#logger = logger;
  }

  /**
   * One caught-up owner's answer for each partition; after a failure the next owner is tried.
   *
   * @param bare heads without rows of the question: they get no call
   * @throws LokiError when no owner of a partition answers
   */
  async ask<T>(
    tenant: TenantId,
    { bare, signal }: { bare: readonly PartitionHead[]; signal?: AbortSignal },
    ask: HeadQuestion<T>,
  ): Promise<HeadAnswers<T>> {
    const upTo = new Map(bare.map(({ partition, committedOffset }) => [partition, committedOffset]));
    const results: T[] = [];
    const askOthers = async (): Promise<void> => {
      const partitions = this.#ingesters.partitions(tenant).filter((partition) => !upTo.has(partition));
      const answers = await Promise.all(partitions.map((partition) => this.#askOwners(partition, ask)));
      for (const [i, partition] of partitions.entries()) upTo.set(partition, answers[i].committedOffset);
      results.push(...answers.map(({ result }) => result));
    };
    // Reads the store for added partitions at the same time: mostly none.
    const current = this.#ingesters.current?.(signal);
    await Promise.all([current, askOthers()]);
    if (current) await askOthers();
    return { upTo, results };
  }

  /** The bounds of heads, as far as their owners state them. */
  async bounds(tenant: TenantId, signal?: AbortSignal): Promise<readonly PartitionHead[]> {
    const ingesters = this.#ingesters;
    await ingesters.current?.(signal);
    const byOwner = new Map<IngesterService, number[]>();
    for (const partition of ingesters.partitions(tenant)) {
      const owner = ingesters.owners(partition)[0];
      if (!owner?.headBounds) continue;
      const partitions = byOwner.get(owner);
      if (partitions) partitions.push(partition);
      else byOwner.set(owner, [partition]);
    }
    const answers = [...byOwner].map(async ([owner, partitions]) => {
      try {
        return await owner.headBounds!(partitions, tenant, signal);
      } catch (error) {
        signal?.throwIfAborted();
        // Without bounds each part of the query calls these heads, and then their other owners.
        this.#logger.debug('an owner does not state the bounds of its heads', { err: String(error) });
        return [];
      }
    });
    return (await Promise.all(answers)).flat();
  }

  /** Frames of a tail, from each partition of the tenant. */
  async follow(request: LeafRequest, signal: AbortSignal): Promise<AsyncIterable<TailFrame>[]> {
    await this.#ingesters.current?.(signal);
    return this.#ingesters
      .partitions(request.tenant)
      .map(
        (partition) =>
          this.#ingesters.follow?.(partition, request, signal) ??
          this.#ownerOf(partition).tail(partition, request, signal),
      );
  }

  async #askOwners<T>(partition: number, ask: HeadQuestion<T>): Promise<HeadAnswer<T>> {
    let failure: unknown = ownerless(partition);
    for (const ingester of this.#ingesters.owners(partition)) {
      try {
        return await ask(ingester, partition);
      } catch (error) {
        // A fault of the query itself fails the same way everywhere.
        if (!(error instanceof LokiError) || !ownersFaults.has(error.code)) throw error;
        this.#logger.warn('an owner did not answer for its partition', { partition, err: error.message });
        failure = error;
      }
    }
    throw failure;
  }

  #ownerOf(partition: number): IngesterService {
    const owner = this.#ingesters.owners(partition)[0];
    if (!owner) throw ownerless(partition);
    return owner;
  }
}

function ownerless(partition: number): LokiError {
  return new LokiError('unavailable', `partition ${partition} has no owner that could answer`);
}

/**
 * Heads with only younger rows have no row of a question: older rows are in the store below W.
 */
export function bareHeads(bounds: readonly PartitionHead[], endNs: bigint): PartitionHead[] {
  return bounds.filter(({ oldestNs }) => oldestNs === undefined || oldestNs >= endNs);
}
