/**
 * Claims new streams at the process that counts a tenant's streams: step *limit* of a written line, over all
 * distributors.
 */
import { BoundedMap } from '@loki/model';
import type { TenantId } from '@loki/model';
import { nextTurn } from '@loki/ports';
import type { Clock, Logger, StreamClaim, StreamLimitService, Timers } from '@loki/ports';

/** The process that counts a tenant's streams now. */
export interface StreamLimitOwner {
  /**
   * Changes whenever the counter may have lost its counts: another process, or the same one after a restart.
   * Without `/`.
   */
  readonly id: string;
  readonly service: StreamLimitService;
}

/** Finds the process that counts a tenant's streams over all distributors. */
export interface StreamLimitOwners {
  /** undefined: no counter exists now. */
  ownerOf(tenant: TenantId): StreamLimitOwner | undefined;
  /**
   * Factor from a per-ingester limit (`max_streams_per_user`) to the whole cluster: ingesters / replication
   * factor.
   */
  ingesterShares(): number;
}

interface StreamLimitClaimsDeps {
  readonly owners: StreamLimitOwners;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** undefined: no counter answered. */
type StreamVerdict = boolean | undefined;

interface TenantClaim {
  activeMax: number;
  readonly activeStreams: number[];
  readonly newStreams: number[];
  readonly answers: ((verdict: StreamVerdict) => void)[];
}

interface AnswerFailures {
  /** Number of calls in a row without an answer. */
  readonly count: number;
  /** No call is made until then. */
  readonly untilMs: number;
}

interface Line {
  waiting: Map<TenantId, TenantClaim>;
  isBusy: boolean;
}

/**
 * Time for which claims are collected into one call: pushes of many agents bring their new streams at the
 * same time.
 */
const gatherMs = 2;
/** Streams in one call, over all tenants; further ones wait for the next call. 8 bytes each. */
const streamsPerCallMax = 50_000;
/** Waiting streams over all counters; the verdict of further ones is `undefined`. */
const streamsWaitingMax = 500_000;
/**
 * Pause after a call without an answer: otherwise each push would wait for the deadline.
 */
const awayMs = 2_000;

const awayKeptMax = 1_000;
/** Pause before retrying while the queue is full. */
const fullPauseMs = 10;
const reportedAtOnce = 50_000;

/**
 * Claims streams for many pushes at a time: one call to each counter is in flight, and claims that come
 * meanwhile go with the next call.
 */
export class StreamLimitClaims {
  readonly #deps: StreamLimitClaimsDeps;
  readonly #lines = new Map<string, Line>();
  /** Counters that failed to answer a call. */
  readonly #failures = new BoundedMap<string, AnswerFailures>(awayKeptMax);
  #waitingCount = 0;

  constructor(deps: StreamLimitClaimsDeps) {
    this.#deps = deps;
  }

  /** The tenant's counter; undefined when there is none, or when it failed to answer lately. */
  ownerOf(tenant: TenantId): StreamLimitOwner | undefined {
    const owner = this.#deps.owners.ownerOf(tenant);
    if (!owner) return undefined;
    const failures = this.#failures.get(owner.id);
    if (failures === undefined) return owner;
    if (failures.untilMs > this.#deps.clock.monotonicMs()) return undefined;
    // A counter that failed to answer may lack the streams of that call: its id changes here, so all streams
    // are reported again.
    return { ...owner, id: `${owner.id}/${failures.count}` };
  }

  /** Asks whether a new stream is within the limit. Never rejects. */
  claim(
    owner: StreamLimitOwner,
    tenant: TenantId,
    stream: number,
    activeMax: number,
  ): Promise<StreamVerdict> {
    if (this.#waitingCount >= streamsWaitingMax) return Promise.resolve(undefined);
    const claim = this.#claimOf(owner, tenant, activeMax);
    claim.newStreams.push(stream);
    this.#waitingCount++;
    return new Promise((resolve) => claim.answers.push(resolve));
  }

  /**
   * Reports a stream as in use. Fire and forget. False: the queue is full, and the caller reports the stream
   * again later.
   */
  report(owner: StreamLimitOwner, tenant: TenantId, stream: number, activeMax: number): boolean {
    if (this.#waitingCount >= streamsWaitingMax) return false;
    this.#claimOf(owner, tenant, activeMax).activeStreams.push(stream);
    this.#waitingCount++;
    return true;
  }

  /** Reports many streams as in use, in slices. */
  async reportAll(
    owner: StreamLimitOwner,
    tenant: TenantId,
    streams: Iterable<number>,
    activeMax: number,
  ): Promise<void> {
    let count = 0;
    for (const stream of streams) {
      while (!this.report(owner, tenant, stream, activeMax)) {
        await this.#deps.timers.sleep(fullPauseMs);
      }
      if (++count % reportedAtOnce === 0) await nextTurn(this.#deps.timers);
    }
  }

  #claimOf(owner: StreamLimitOwner, tenant: TenantId, activeMax: number): TenantClaim {
    let line = this.#lines.get(owner.id);
    if (!line) this.#lines.set(owner.id, (line = { waiting: new Map(), isBusy: false }));
    let claim = line.waiting.get(tenant);
    if (!claim) {
      claim = { activeMax, activeStreams: [], newStreams: [], answers: [] };
      line.waiting.set(tenant, claim);
    }
    claim.activeMax = activeMax;
    if (!line.isBusy) {
      line.isBusy = true;
      void this.#askAll(owner, line);
    }
    return claim;
  }

  /** Sends claims until the queue is empty. Never rejects. */
  async #askAll(owner: StreamLimitOwner, line: Line): Promise<void> {
    await this.#deps.timers.sleep(gatherMs);
    while (line.waiting.size > 0) {
      const claims = takeClaims(line.waiting);
      await this.#claim(owner, claims);
    }
    this.#lines.delete(owner.id);
  }

  async #claim(
    owner: StreamLimitOwner,
    claims: readonly (readonly [TenantId, TenantClaim])[],
  ): Promise<void> {
    const calls = claims.map(([tenant, { activeMax, activeStreams, newStreams }]): StreamClaim => ({
      tenant,
      activeMax,
      activeStreams: Float64Array.from(activeStreams),
      newStreams: Float64Array.from(newStreams),
    }));
    for (const { activeStreams, newStreams } of calls) {
      this.#waitingCount -= activeStreams.length + newStreams.length;
    }
    let verdicts: readonly Uint8Array[] | undefined;
    try {
      if (!this.#isPaused(owner.id)) verdicts = await owner.service.claim(calls);
    } catch (error) {
      this.#pauseCalls(owner.id);
      this.#deps.logger.warn('streams are not counted: their counter does not answer', {
        owner: owner.id,
        err: String(error),
      });
    }
    claims.forEach(([, { answers }], i) => {
      answers.forEach((answer, k) => answer(verdicts && verdicts[i][k] === 1));
    });
  }

  #isPaused(id: string): boolean {
    const failures = this.#failures.get(baseOf(id));
    return failures !== undefined && failures.untilMs > this.#deps.clock.monotonicMs();
  }

  #pauseCalls(id: string): void {
    const failureCount = (this.#failures.get(baseOf(id))?.count ?? 0) + 1;
    this.#failures.set(baseOf(id), { count: failureCount, untilMs: this.#deps.clock.monotonicMs() + awayMs });
  }
}

/** An id without the count of failures that `ownerOf` adds. */
function baseOf(id: string): string {
  return id.replace(/\/\d+$/, '');
}

/** Takes the claims of the next call. */
function takeClaims(waiting: Map<TenantId, TenantClaim>): [TenantId, TenantClaim][] {
  const batch: [TenantId, TenantClaim][] = [];
  let room = streamsPerCallMax;
  for (const [tenant, claim] of waiting) {
    if (room <= 0) break;
    const activeStreams = claim.activeStreams.splice(0, room);
    room -= activeStreams.length;
    const newStreams = claim.newStreams.splice(0, room);
    const answers = claim.answers.splice(0, room);
    room -= newStreams.length;
    batch.push([tenant, { activeMax: claim.activeMax, activeStreams, newStreams, answers }]);
    if (claim.activeStreams.length === 0 && claim.newStreams.length === 0) waiting.delete(tenant);
  }
  return batch;
}
