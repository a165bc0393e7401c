/** Delete requests in the object store: step *delete, expire* of a stored day. */
import { LokiError, nsPerMs } from '@loki/model';
import type { Clock, LeafDelete, ObjectStore, Timers } from '@loki/ports';
import { abortable } from '../logs/abortable.ts';
import { NumberedLog } from '../logs/numbered-log.ts';
import { DeleteState } from './delete-state.ts';
import type { DeleteManifest, DeleteRequest } from './delete-state.ts';

interface DeleteRequestsOptions {
  readonly objectStore: ObjectStore;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Deadline of one read of the store by `current`. Default 5 s. */
  readonly lookMs?: number;
}

/**
 * Time for which a process still applies a request after it first saw the request as carried out: heads, and
 * readers with older offsets, may still return the rows. Measured on the monotonic clock, because a wall
 * clock may be set forward.
 */
const appliedAfterMs = 15 * 60_000;
/**
 * A request that was carried out longer ago than this by the wall clock is not applied at all. The clocks of
 * two processes may be a day off, each in its own direction.
 */
const longAgoMs = 72 * 3_600_000;
/** Most pending requests of one tenant; each costs every query in its time range. */
const pendingMax = 1000;

/** Delete requests in the object store, as the API, the compactor and queriers share them. */
export class DeleteRequests {
  readonly state = new DeleteState();
  readonly #options: DeleteRequestsOptions;
  readonly #log: NumberedLog<DeleteManifest>;
  /** The time at which this process first saw a request as carried out, on the monotonic clock. */
  readonly #doneSinceMs = new WeakMap<DeleteRequest, number>();
  /** The present read of the store, and the next one, which starts after it. */
  #looking: Promise<void> | undefined;
  #nextLook: Promise<void> | undefined;

  constructor(options: DeleteRequestsOptions) {
    this.#options = options;
    this.#log = new NumberedLog({
      objectStore: options.objectStore,
      state: this.state,
      manifestPrefix: 'deletes/log/',
      checkpointPrefix: 'deletes/checkpoints/',
    });
  }

  /** Catches up with the store. Requests that this process added apply at once. */
  load(signal?: AbortSignal): Promise<void> {
    return this.#log.load(signal);
  }

  /**
   * Resolves when this process has read every request that any process had added before the call. Costs one
   * small read of the store; callers share the next read while one is in progress.
   *
   * @throws LokiError `unavailable` when the store does not answer within `lookMs`, or within twice that when
   *   another read was in progress
   */
  async current(signal?: AbortSignal): Promise<void> {
    // The store may have answered the present read before this call: only the next read counts.
    this.#nextLook ??= (this.#looking ?? Promise.resolve())
      .catch(() => undefined) // its own caller gets the error
      .then(() => {
        this.#nextLook = undefined;
        this.#looking = this.#look().finally(() => (this.#looking = undefined));
        return this.#looking;
      });
    await abortable(this.#nextLook, signal);
  }

  async #look(): Promise<void> {
    const { timers, lookMs = 5_000 } = this.#options;
    const gaveUp = new AbortController();
    const deadline = timers.after(lookMs, () =>
      gaveUp.abort(
        new LokiError('unavailable', `the store did not return the delete requests within ${lookMs} ms`),
      ),
    );
    try {
      await abortable(this.#log.load(gaveUp.signal), gaveUp.signal);
    } finally {
      deadline.cancel();
    }
  }

  /**
   * Deletes that an answer about startNs <= ts < endNs must respect.
   *
   * @throws LokiError `corrupt` when a request of the tenant cannot be read
   */
  active(tenant: string, startNs: bigint, endNs: bigint): LeafDelete[] {
    this.state.proveSound(tenant);
    return this.state.requests(tenant).flatMap((request) => {
      const applied = deleteOf(request);
      const isApart = applied.startNs >= endNs || applied.endNs <= startNs;
      return isApart || this.#isOver(request) ? [] : [applied];
    });
  }

  /** Whether no reader can see a row of the request any more. */
  #isOver(request: DeleteRequest): boolean {
    const { clock } = this.#options;
    const { processedMs } = request;
    if (processedMs === undefined) return false;
    if (processedMs + longAgoMs < clock.nowMs()) return true;
    const nowMs = clock.monotonicMs();
    const sinceMs = this.#doneSinceMs.get(request) ?? nowMs;
    this.#doneSinceMs.set(request, sinceMs);
    return sinceMs + appliedAfterMs < nowMs;
  }

  /** @throws LokiError `tooManyRequests` when the tenant has too many pending requests */
  async create(
    tenant: string,
    request: { id: string; query: string; startMs: number; endMs: number; parts: number },
  ): Promise<void> {
    await this.#change(tenant, () => {
      const requests = this.state.requests(tenant);
      // Finds the request of an attempt whose answer was lost.
      if (requests.some(({ id }) => id === request.id)) return undefined;
      if (requests.filter(({ processedMs }) => processedMs === undefined).length >= pendingMax) {
        throw new LokiError('tooManyRequests', `too many pending delete requests: max ${pendingMax}`);
      }
      return { kind: 'create', ...request };
    });
  }

  async cancel(tenant: string, id: string): Promise<void> {
    await this.#change(tenant, () => (this.state.request(tenant, id) ? { kind: 'cancel', id } : undefined));
  }

  /** Parts 0 .. partsDone - 1 have been carried out. */
  async progress(tenant: string, id: string, partsDone: number): Promise<void> {
    await this.#change(tenant, () => {
      const request = this.state.request(tenant, id);
      return request && request.partsDone < partsDone ? { kind: 'progress', id, partsDone } : undefined;
    });
  }

  /** Invalidates all cached answers of the tenant. */
  async increaseGeneration(tenant: string): Promise<void> {
    const oldGeneration = this.state.generation(tenant);
    await this.#change(tenant, () =>
      this.state.generation(tenant) > oldGeneration ? undefined : { kind: 'increase' },
    );
  }

  async #change(tenant: string, make: () => DeleteManifest['change'] | undefined): Promise<void> {
    await this.#log.append((number) => {
      const change = make();
      return change && { number, tenant, change, atMs: this.#options.clock.nowMs() };
    });
  }
}

/** A request as queries and the compactor apply it. */
export function deleteOf({ query, startMs, endMs }: DeleteRequest): LeafDelete {
  return { expr: query, startNs: BigInt(startMs) * nsPerMs, endNs: BigInt(endMs) * nsPerMs + 1n };
}
