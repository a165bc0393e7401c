/** Admits rows of a push by the earlier rows of its tenant: step *limit* of a written line. */
import type { TenantId } from '@loki/model';
import type { Clock, Logger, Random, Timers } from '@loki/ports';
import type { DistributorMetrics } from '@loki/telemetry';
import { IngestRate } from './admit/ingest-rate.ts';
import { placesOfStreams } from './admit/offered-rows.ts';
import type { OfferedStreamRows } from './admit/offered-rows.ts';
import { PendingVerdicts } from './admit/pending-verdicts.ts';
import type {
  OnShards,
  SharedStreams,
  StreamAdmission,
  StreamRegistryOptions,
} from './admit/stream-admission.ts';
import { StreamLimitClaims } from './admit/stream-limit-claims.ts';
import type { StreamLimitOwners } from './admit/stream-limit-claims.ts';
import { StreamRegistry } from './admit/stream-registry.ts';
import type { ValidRows } from './admit/validate.ts';
import type { Push } from './push.ts';

interface PushAdmissionDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly random: Random;
  readonly metrics: DistributorMetrics;
  readonly healthyDistributors: () => number;
  readonly streamLimitOwners?: StreamLimitOwners;
}

/** The rate of each tenant, and the number, rate and order of its streams. */
export class PushAdmission {
  readonly #clock: Clock;
  readonly #rate: IngestRate;
  readonly #streams: StreamAdmission;
  readonly #verdicts: PendingVerdicts;

  constructor(deps: PushAdmissionDeps, options: StreamRegistryOptions, onShards: OnShards) {
    this.#clock = deps.clock;
    this.#rate = new IngestRate(deps.healthyDistributors);
    const [seed] = new Uint32Array(deps.random.bytes(4).slice().buffer);
    this.#streams = new StreamRegistry(options, seed, sharedStreams(deps), onShards);
    this.#verdicts = new PendingVerdicts(this.#streams);
  }

  /** Whether the tenant exceeds its rate, so that the next push will probably be refused. */
  isExceeding(tenant: TenantId): boolean {
    return this.#rate.isExceeded(tenant, this.#clock.monotonicMs());
  }

  /** @throws LokiError 429 when the push is more than the tenant may send now */
  takeRate({ tenant, limits, discards }: Push, { lines, bytes }: ValidRows): void {
    try {
      this.#rate.take(tenant, limits, lines, bytes, this.#clock.monotonicMs());
    } catch (error) {
      discards.add('rate_limited', lines, bytes);
      throw error;
    }
  }

  /**
   * Claims the new streams of a push; undefined: there is nothing to wait for.
   *
   * @param pushCount pushes in progress, this one included
   */
  ask({ tenant, scratch, limits, nowMs }: Push, pushCount: number): Promise<void> | undefined {
    return this.#verdicts.ask({ tenant, rows: scratch.rows, limits, nowMs }, pushCount);
  }

  /**
   * Refuses rows of the stream at `places` that are too much; the reasons go to the push's errors.
   *
   * @returns whether rows remain
   */
  admit(push: Push, offered: OfferedStreamRows, places: readonly number[]): boolean {
    if (!offered.start(places)) return false;
    const { tenant, scratch, limits, nowMs } = push;
    const problem = this.#streams.admit(tenant, scratch.rows.streams[places[0]], offered, limits, nowMs);
    if (problem) {
      push.errors.add(problem.text);
      push.retryAfterMs = Math.max(push.retryAfterMs, problem.retryAfterMs ?? 0);
      if (problem.status === 429) {
        push.refusedStatus = 429;
        push.retriedBytes += offered.refusedBytes;
      }
    }
    return offered.refusedCount < offered.count;
  }

  /** The client sends the push again: its refused rows must not be charged, its stored ones not twice. */
  expectRetry({ tenant, scratch, nowMs, retriedBytes }: Push, offered: OfferedStreamRows): void {
    this.#rate.giveBack(tenant, retriedBytes);
    const { rows } = scratch;
    for (const places of placesOfStreams(rows)) {
      if (offered.start(places)) this.#streams.rememberAdmitted(rows.streams[places[0]], offered, nowMs);
    }
  }
}

function sharedStreams(deps: PushAdmissionDeps): SharedStreams | undefined {
  const { streamLimitOwners: limiters, healthyDistributors } = deps;
  return (
    limiters && {
      counters: limiters,
      healthyDistributors,
      claims: new StreamLimitClaims({ ...deps, owners: limiters }),
    }
  );
}
