/**
 * Limits of streams: the number of a tenant's streams (`stream_limit`), the rate and the order of each: step
 * *limit* of a written line.
 */
import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import type { ResolvedStream } from '../streams/resolve-stream.ts';
import { admitLines, rateLimit, shareOf } from './admit-rows.ts';
import type { Admission } from './admit-rows.ts';
import { PartlyStoredRows } from './partly-stored-rows.ts';
import { RefusedRows, streamLimitText, streamRateText } from './refused-rows.ts';
import type { AdmissionProblem, OfferedRows } from './refused-rows.ts';
import type { OnShards, SharedStreams, StreamAdmission, StreamRegistryOptions } from './stream-admission.ts';
import type { StreamLimitOwner } from './stream-limit-claims.ts';
import type { StreamState } from './stream-state.ts';
import { StreamStates } from './stream-states.ts';

interface TenantState {
  readonly streams: StreamStates;
  /** Hashes of streams that the counter refused, each with the time until which it is not claimed again. */
  readonly refusedUntilMs: Map<number, number>;
  /** The counter that has received all `streams`. */
  counterId: string | undefined;
  sweptMs: number;
}

/** Sweeps for idle streams in each `streamIdleMs`. */
const sweepsPerIdleTime = 8;
/** Reports of a used stream to its counter in each `streamIdleMs`. */
const reportsPerIdleTime = 4;
/** Time for which a refused stream is not claimed again: its client keeps sending it. */
const refusedMs = 1_000;
const refusedMax = 10_000;

/**
 * The active streams of each tenant, as this distributor has seen them.
 *
 * A distributor without others counts alone. Among others, one process counts the tenant's streams for all
 * distributors, and each new stream is claimed there. While the counter does not answer, this distributor
 * admits streams up to its share of the limit.
 */
export class StreamRegistry implements StreamAdmission {
  readonly #options: StreamRegistryOptions;
  readonly #shared: SharedStreams | undefined;
  readonly #onShards: OnShards | undefined;
  readonly #tenants = new Map<TenantId, TenantState>();
  readonly #storedRetries = new PartlyStoredRows();
  readonly #seed: number;
  #sweptMs: number | undefined;

  /**
   * @param seed a random number of 32 bits
   * @param shared absent: no other distributor has streams of the same tenants
   */
  constructor(options: StreamRegistryOptions, seed: number, shared?: SharedStreams, onShards?: OnShards) {
    this.#options = options;
    this.#seed = seed;
    this.#shared = shared;
    this.#onShards = onShards;
  }

  prepare(
    tenant: TenantId,
    streams: Iterable<ResolvedStream>,
    limits: Limits,
    nowMs: number,
  ): Promise<void> | undefined {
    const activeMax = this.#activeMax(limits);
    if (!this.#shared || activeMax === Number.POSITIVE_INFINITY) return undefined;
    const counter = this.#shared.claims.ownerOf(tenant);
    if (!counter) return undefined;
    const tenantState = this.#tenantState(tenant, nowMs);
    this.#introduce(tenant, tenantState, counter, activeMax, nowMs);
    const questions = new Map<number, Promise<void>>();
    for (const { hash } of streams) {
      const isKnown = tenantState.streams.has(hash) || (tenantState.refusedUntilMs.get(hash) ?? 0) > nowMs;
      if (!isKnown && !questions.has(hash)) {
        questions.set(hash, this.#claim(counter, tenant, tenantState, { hash, activeMax, nowMs }));
      }
    }
    return questions.size === 0 ? undefined : Promise.all(questions.values()).then(() => undefined);
  }

  admit(
    tenant: TenantId,
    stream: ResolvedStream,
    rows: OfferedRows,
    limits: Limits,
    nowMs: number,
  ): AdmissionProblem | undefined {
    this.#sweepTenants(nowMs);
    const tenantState = this.#tenantState(tenant, nowMs);
    let state = tenantState.streams.get(stream.hash);
    if (!state) {
      if (!this.#hasRoom(tenantState, stream.hash, limits, nowMs)) {
        for (let i = 0; i < rows.count; i++) rows.refuse(i, 'stream_limit');
        return { status: 429, text: streamLimitText(stream.text, tenant) };
      }
      // The stream was admitted without a claim: the next counter gets a report of all streams.
      if (this.#shared) tenantState.counterId = undefined;
      state = tenantState.streams.add(stream.hash, nowMs);
    }
    state.seenMs = nowMs;
    if (this.#shared && nowMs - state.reportedMs > this.#options.streamIdleMs / reportsPerIdleTime) {
      this.#report(tenant, tenantState, state, limits, nowMs);
    }
    if (nowMs - tenantState.sweptMs > this.#options.streamIdleMs / sweepsPerIdleTime) {
      this.#sweep(tenantState, nowMs);
      // The stream may have another row now.
      state = tenantState.streams.get(stream.hash)!;
    }
    return this.#admitRows(tenant, stream, state, rows, limits, nowMs);
  }

  rememberAdmitted(stream: ResolvedStream, rows: OfferedRows, nowMs: number): void {
    this.#storedRetries.add(stream.placementHash, rows, nowMs);
  }

  /** Tenants that have streams, or had some lately. */
  get tenantCount(): number {
    return this.#tenants.size;
  }

  /** Streams of a tenant that count against its limit. */
  activeStreams(tenant: TenantId): number {
    return this.#tenants.get(tenant)?.streams.size ?? 0;
  }

  /** Memory of the states of streams, over all tenants. */
  get stateBytes(): number {
    let bytes = 0;
    for (const { streams } of this.#tenants.values()) bytes += streams.bytes;
    return bytes;
  }

  #tenantState(tenant: TenantId, nowMs: number): TenantState {
    let state = this.#tenants.get(tenant);
    if (!state) {
      state = {
        streams: new StreamStates(this.#seed),
        refusedUntilMs: new Map(),
        counterId: undefined,
        sweptMs: nowMs,
      };
      this.#tenants.set(tenant, state);
    }
    return state;
  }

  /** Streams that a tenant may have. */
  #activeMax({ maxStreamsPerUser: perIngester, maxGlobalStreamsPerUser: global }: Limits): number {
    const local = perIngester > 0 ? perIngester : Number.POSITIVE_INFINITY;
    const shares = this.#shared ? Math.max(1, this.#shared.counters.ingesterShares()) : 1;
    return Math.min(Math.floor(local * shares), global > 0 ? global : Number.POSITIVE_INFINITY);
  }

  /**
   * Whether a new stream fits into this distributor's share of the limit, without a verdict of the counter.
   */
  #hasRoom(tenantState: TenantState, hash: number, limits: Limits, nowMs: number): boolean {
    const { streams, refusedUntilMs } = tenantState;
    if ((refusedUntilMs.get(hash) ?? 0) > nowMs) return false;
    const distributors = this.#shared ? Math.max(1, this.#shared.healthyDistributors()) : 1;
    const share = Math.ceil(this.#activeMax(limits) / distributors);
    // A push may have thousands of streams over the limit: they share one sweep.
    if (streams.size >= share && tenantState.sweptMs !== nowMs) this.#sweep(tenantState, nowMs);
    return streams.size < share;
  }

  /** Reports all admitted streams to a new counter. */
  #introduce(
    tenant: TenantId,
    tenantState: TenantState,
    counter: StreamLimitOwner,
    activeMax: number,
    nowMs: number,
  ): void {
    if (tenantState.counterId === counter.id) return;
    tenantState.counterId = counter.id;
    if (tenantState.streams.size === 0) return;
    const hashes = tenantState.streams.reportAll(nowMs);
    void this.#shared!.claims.reportAll(counter, tenant, hashes, activeMax);
  }

  async #claim(
    counter: StreamLimitOwner,
    tenant: TenantId,
    tenantState: TenantState,
    { hash, activeMax, nowMs }: { hash: number; activeMax: number; nowMs: number },
  ): Promise<void> {
    const verdict = await this.#shared!.claims.claim(counter, tenant, hash, activeMax);
    const { streams, refusedUntilMs } = tenantState;
    if (verdict === true) {
      refusedUntilMs.delete(hash);
      // Another push may have added it meanwhile.
      if (!streams.has(hash)) streams.add(hash, nowMs);
    } else if (verdict === false) {
      if (refusedUntilMs.size >= refusedMax) refusedUntilMs.clear();
      refusedUntilMs.set(hash, nowMs + refusedMs);
    } else {
      // The counter may lack the streams that were reported with this call.
      tenantState.counterId = undefined;
    }
  }

  /** Reports that the stream is still in use. */
  #report(
    tenant: TenantId,
    tenantState: TenantState,
    state: StreamState,
    limits: Limits,
    nowMs: number,
  ): void {
    const { claims } = this.#shared!;
    const activeMax = this.#activeMax(limits);
    if (activeMax === Number.POSITIVE_INFINITY) return;
    const counter = claims.ownerOf(tenant);
    // The next push reports all streams to the new counter.
    if (counter?.id !== tenantState.counterId || !counter) return;
    if (claims.report(counter, tenant, state.hash, activeMax)) state.reportedMs = nowMs;
  }

  #admitRows(
    tenant: TenantId,
    stream: ResolvedStream,
    state: StreamState,
    rows: OfferedRows,
    limits: Limits,
    nowMs: number,
  ): AdmissionProblem | undefined {
    const refused = new RefusedRows(this.#options.refusedNamedMax);
    const reachNs = (this.#options.chunkAgeMaxMs / 2) * 1e6;
    const admission: Admission = { stream, state, rows, refused, reachNs, limit: rateLimit(limits), nowMs };
    if (limits.shardStreams.enabled) this.#admitShare(admission);
    else admitLines(admission);
    return refused.problem(tenant, stream.text, rows.count);
  }

  /** Refuses rows too far behind one by one; admits or refuses the others together. */
  #admitShare(admission: Admission): void {
    const { stream, state, rows, refused, limit, nowMs } = admission;
    const share = shareOf(admission, this.#storedRetries.hasAny(nowMs) ? this.#storedRetries : undefined);
    if (share.bytes > 0 && limit) {
      const rate = state.rate(limit, nowMs);
      const shards = rate.offer(share.bytes, limit, nowMs);
      const waitMs = rate.take(share.bytes, shards, limit, nowMs);
      if (waitMs > 0) {
        for (let i = 0; i < rows.count; i++) {
          if (share.lateRows?.has(i)) continue;
          rows.refuse(i, 'per_stream_rate_limit');
          refused.add(rows.seconds(i), rows.nanos(i), 429, () =>
            streamRateText(limit.rate, stream.text, share.bytes),
          );
        }
        refused.retryAfter(waitMs);
        return;
      }
      if (shards > 1) this.#onShards?.(stream, shards, Math.max(state.newestSeconds, share.newestSeconds));
    }
    state.newestSeconds = share.newestSeconds;
    state.newestNanos = share.newestNanos;
  }

  /** Drops the state of silent tenants: a client that may write may also invent tenants. */
  #sweepTenants(nowMs: number): void {
    this.#sweptMs ??= nowMs;
    if (nowMs - this.#sweptMs <= this.#options.streamIdleMs) return;
    this.#sweptMs = nowMs;
    for (const [tenant, tenantState] of this.#tenants) {
      this.#sweep(tenantState, nowMs);
      tenantState.refusedUntilMs.clear();
      if (tenantState.streams.size === 0) this.#tenants.delete(tenant);
    }
  }

  #sweep(tenantState: TenantState, nowMs: number): void {
    tenantState.sweptMs = nowMs;
    tenantState.streams.forgetBefore(nowMs - this.#options.streamIdleMs);
  }
}
