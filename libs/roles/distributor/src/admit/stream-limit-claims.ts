/**
 * Asks the counter of a tenant's streams about new streams: step *limit* of a written line, over all
 * distributors.
 */
import { BoundedMap, hash64 } from '@loki/model';
import type { TenantId } from '@loki/model';
import { nextTurn } from '@loki/ports';
import type { Clock, Logger, StreamClaim, StreamLimitService, Timers } from '@loki/ports';

/** The counter of a tenant's streams now. */
export interface StreamLimitOwner {
  /** Another one whenever it may have forgotten: another process, or the same one restarted. Without `/`. */
  readonly id: string;
  readonly service: StreamLimitService;
}

/** How a tenant's streams are counted over all distributors. */
export interface StreamLimitOwners {
  /** undefined: nobody, now. */
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

/** undefined: nobody could be asked. */
type StreamVerdict = boolean | undefined;

interface TenantClaim {
  activeMax: number;
  readonly activeStreams: number[];
  readonly newStreams: number[];
  readonly answers: ((verdict: StreamVerdict) => void)[];
}

interface Away {
  /** How often it did not answer. */
  readonly times: number;
  /** Until when it is left alone. */
  readonly untilMs: number;
}

interface Line {
  waiting: Map<TenantId, TenantClaim>;
  isBusy: boolean;
}

/** Claims are gathered for so long: pushes of many agents bring their new streams at the same time. */
const gatherMs = 2;
/** Of one question, over all tenants; the rest goes with the next. 8 bytes each. */
const streamsPerCallMax = 50_000;
/** Streams that wait, over all limiters; more are not asked about. */
const streamsWaitingMax = 500_000;
/** A limiter that did not answer is not asked for so long: each push would wait for the deadline. */
const awayMs = 2_000;

const awayKeptMax = 1_000;
/** Pause before retrying while the queue is full. */
const fullPauseMs = 10;
const hashedAtOnce = 5_000;

/** A stream as its limiter knows it. */
export function streamHash(text: string): number {
  return Number(BigInt.asUintN(53, hash64(text)));
}

/**
 * Asks who counts a tenant's streams, for many pushes at a time: one question to each limiter is under way,
 * what comes meanwhile goes with the next.
 */
export class StreamLimitClaims {
  readonly #deps: StreamLimitClaimsDeps;
  readonly #lines = new Map<string, Line>();
  /** Limiters that once did not answer. */
  readonly #away = new BoundedMap<string, Away>(awayKeptMax);
  #waitingCount = 0;

  constructor(deps: StreamLimitClaimsDeps) {
    this.#deps = deps;
  }

  /** The tenant's limiter; undefined when there is none, or it did not answer lately. */
  ownerOf(tenant: TenantId): StreamLimitOwner | undefined {
    const owner = this.#deps.owners.ownerOf(tenant);
    if (!owner) return undefined;
    const away = this.#away.get(owner.id);
    if (away === undefined) return owner;
    if (away.untilMs > this.#deps.clock.monotonicMs()) return undefined;
    // An owner may not know the streams that came with a question which it did not answer: it is told all
    // again.
    return { ...owner, id: `${owner.id}/${away.times}` };
  }

  /** Whether a stream that is new here may come to be. Never rejects. */
  ask(owner: StreamLimitOwner, tenant: TenantId, stream: number, activeMax: number): Promise<StreamVerdict> {
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
  tell(owner: StreamLimitOwner, tenant: TenantId, stream: number, activeMax: number): boolean {
    if (this.#waitingCount >= streamsWaitingMax) return false;
    this.#claimOf(owner, tenant, activeMax).activeStreams.push(stream);
    this.#waitingCount++;
    return true;
  }

  /** The same of many, without holding up anybody: hashing a million takes a third of a second. */
  async tellAll(
    owner: StreamLimitOwner,
    tenant: TenantId,
    texts: Iterable<string>,
    activeMax: number,
  ): Promise<void> {
    let count = 0;
    for (const text of texts) {
      while (!this.tell(owner, tenant, streamHash(text), activeMax)) {
        await this.#deps.timers.sleep(fullPauseMs);
      }
      if (++count % hashedAtOnce === 0) await nextTurn(this.#deps.timers);
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

  /** Until nothing waits. Never rejects. */
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
      if (!this.#isAway(owner.id)) verdicts = await owner.service.claim(calls);
    } catch (error) {
      this.#leaveAlone(owner.id);
      this.#deps.logger.warn('streams are not counted: their limiter does not answer', {
        owner: owner.id,
        err: String(error),
      });
    }
    claims.forEach(([, { answers }], i) => {
      answers.forEach((answer, k) => answer(verdicts && verdicts[i][k] === 1));
    });
  }

  #isAway(id: string): boolean {
    const away = this.#away.get(baseOf(id));
    return away !== undefined && away.untilMs > this.#deps.clock.monotonicMs();
  }

  #leaveAlone(id: string): void {
    const times = (this.#away.get(baseOf(id))?.times ?? 0) + 1;
    this.#away.set(baseOf(id), { times, untilMs: this.#deps.clock.monotonicMs() + awayMs });
  }
}

/** An id without the count of failures that `limiterOf` adds. */
function baseOf(id: string): string {
  return id.replace(/\/\d+$/, '');
}

/** The claims that go with one question. */
function takeClaims(waiting: Map<TenantId, TenantClaim>): [TenantId, TenantClaim][] {
  const batch: [TenantId, TenantClaim][] = [];
  let left = streamsPerCallMax;
  for (const [tenant, claim] of waiting) {
    if (left <= 0) break;
    const activeStreams = claim.activeStreams.splice(0, left);
    left -= activeStreams.length;
    const newStreams = claim.newStreams.splice(0, left);
    const answers = claim.answers.splice(0, left);
    left -= newStreams.length;
    batch.push([tenant, { activeMax: claim.activeMax, activeStreams, newStreams, answers }]);
    if (claim.activeStreams.length === 0 && claim.newStreams.length === 0) waiting.delete(tenant);
  }
  return batch;
}
