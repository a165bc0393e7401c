import type { Limits } from '@loki/config';
import type { TenantId } from '@loki/model';
import type { DiscardReason } from './discard.ts';
import type { ResolvedStream } from './resolve-stream.ts';
import { goTimeText, rfc3339Seconds } from './time-text.ts';
import { TokenBucket } from './token-bucket.ts';

/** Rows of one stream in a push, offered for admission. */
export interface OfferedRows {
  readonly count: number;
  seconds(index: number): number;
  nanos(index: number): number;
  lineBytes(index: number): number;
  /** Called for each row that is not admitted. */
  refuse(index: number, reason: DiscardReason): void;
}

/** What the client is told when not all was admitted. */
export interface AdmissionProblem {
  readonly status: 400 | 429;
  readonly text: string;
}

/**
 * Decides by what other pushes brought: how many streams a tenant has, how fast a stream grows, how far behind its
 * newest entry a row is. Behind an interface, so that the owner of a partition can be asked instead.
 */
export interface StreamAdmission {
  /** undefined: all rows are admitted. */
  admit(
    tenant: TenantId,
    stream: ResolvedStream,
    rows: OfferedRows,
    limits: Limits,
    nowMs: number,
  ): AdmissionProblem | undefined;
}

export interface StreamRegistryOptions {
  /** A stream without entries for so long is no longer active. */
  readonly streamIdleMs: number;
  /** Half of it is how far an entry may lie behind its stream's newest. */
  readonly chunkAgeMaxMs: number;
  /** Rows named in one error. */
  readonly refusedNamedMax: number;
}

interface StreamState {
  seenMs: number;
  newestSeconds: number;
  newestNanos: number;
  bucket: TokenBucket | undefined;
}

interface TenantState {
  readonly streams: Map<string, StreamState>;
  sweptMs: number;
}

/** How often, relative to `streamIdleMs`, idle streams are looked for. */
const sweepsPerIdleTime = 8;

/** Active streams as this distributor saw them. Every distributor sees nearly all: agents spread their pushes. */
export class StreamRegistry implements StreamAdmission {
  readonly #options: StreamRegistryOptions;
  readonly #tenants = new Map<TenantId, TenantState>();
  #sweptMs: number | undefined;

  constructor(options: StreamRegistryOptions) {
    this.#options = options;
  }

  admit(
    tenant: TenantId,
    stream: ResolvedStream,
    rows: OfferedRows,
    limits: Limits,
    nowMs: number,
  ): AdmissionProblem | undefined {
    this.#sweepTenants(nowMs);
    let tenantState = this.#tenants.get(tenant);
    if (!tenantState) this.#tenants.set(tenant, (tenantState = { streams: new Map(), sweptMs: nowMs }));
    let state = tenantState.streams.get(stream.text);
    if (!state) {
      const activeMax = activeStreamsMax(limits);
      if (tenantState.streams.size >= activeMax) this.#sweep(tenantState, nowMs);
      if (tenantState.streams.size >= activeMax) {
        for (let i = 0; i < rows.count; i++) rows.refuse(i, 'stream_limit');
        return { status: 429, text: streamLimitText(stream.text, tenant) };
      }
      state = { seenMs: nowMs, newestSeconds: Number.NEGATIVE_INFINITY, newestNanos: 0, bucket: undefined };
      tenantState.streams.set(stream.text, state);
    }
    state.seenMs = nowMs;
    if (nowMs - tenantState.sweptMs > this.#options.streamIdleMs / sweepsPerIdleTime)
      this.#sweep(tenantState, nowMs);
    return this.#admitRows(tenant, stream, state, rows, limits, nowMs);
  }

  /** Tenants with streams, or lately so. */
  get tenantCount(): number {
    return this.#tenants.size;
  }

  /** Streams of a tenant that count against its limit. */
  activeStreams(tenant: TenantId): number {
    return this.#tenants.get(tenant)?.streams.size ?? 0;
  }

  #admitRows(
    tenant: TenantId,
    stream: ResolvedStream,
    state: StreamState,
    rows: OfferedRows,
    limits: Limits,
    nowMs: number,
  ): AdmissionProblem | undefined {
    const reachNs = (this.#options.chunkAgeMaxMs / 2) * 1e6;
    const { perStreamRateLimitBytes: rate, perStreamRateLimitBurstBytes: burst } = limits;
    const refused = new RefusedRows(this.#options.refusedNamedMax);
    const bucket = (state.bucket ??= new TokenBucket(burst, nowMs));
    for (let i = 0; i < rows.count; i++) {
      const seconds = rows.seconds(i);
      const nanos = rows.nanos(i);
      const behindNs = (state.newestSeconds - seconds) * 1e9 + (state.newestNanos - nanos);
      if (behindNs > reachNs) {
        rows.refuse(i, 'too_far_behind');
        refused.add(seconds, nanos, 400, () => tooFarBehindText(state, seconds, reachNs));
      } else if (rate > 0 && !bucket.take(rows.lineBytes(i), rate, Math.max(rate, burst), nowMs)) {
        rows.refuse(i, 'per_stream_rate_limit');
        const lineBytes = rows.lineBytes(i);
        refused.add(seconds, nanos, 429, () => streamRateText(rate, stream.text, lineBytes));
      } else if (behindNs < 0 || state.newestSeconds === Number.NEGATIVE_INFINITY) {
        state.newestSeconds = seconds;
        state.newestNanos = nanos;
      }
    }
    return refused.problem(tenant, stream.text, rows.count);
  }

  /** Forgets tenants that have gone silent: who may write may also invent tenants. */
  #sweepTenants(nowMs: number): void {
    this.#sweptMs ??= nowMs;
    if (nowMs - this.#sweptMs <= this.#options.streamIdleMs) return;
    this.#sweptMs = nowMs;
    for (const [tenant, tenantState] of this.#tenants) {
      this.#sweep(tenantState, nowMs);
      if (tenantState.streams.size === 0) this.#tenants.delete(tenant);
    }
  }

  #sweep(tenantState: TenantState, nowMs: number): void {
    tenantState.sweptMs = nowMs;
    for (const [text, state] of tenantState.streams)
      if (nowMs - state.seenMs > this.#options.streamIdleMs) tenantState.streams.delete(text);
  }
}

/** Streams a tenant may have. Each distributor sees nearly all streams, so the global limit is not divided. */
function activeStreamsMax(limits: Limits): number {
  const local = limits.maxStreamsPerUser > 0 ? limits.maxStreamsPerUser : Number.POSITIVE_INFINITY;
  const global =
    limits.maxGlobalStreamsPerUser > 0 ? limits.maxGlobalStreamsPerUser : Number.POSITIVE_INFINITY;
  return Math.min(local, global);
}

/** The refused rows of one stream as one error. */
class RefusedRows {
  readonly #namedMax: number;
  #text = '';
  #count = 0;
  #status: 400 | 429 = 400;

  constructor(namedMax: number) {
    this.#namedMax = namedMax;
  }

  add(seconds: number, nanos: number, status: 400 | 429, reason: () => string): void {
    this.#count++;
    if (status === 429) this.#status = 429;
    if (this.#count <= this.#namedMax)
      this.#text += `entry with timestamp ${goTimeText(seconds, nanos)} ignored, reason: '${reason()}',\n`;
  }

  problem(tenant: TenantId, stream: string, offered: number): AdmissionProblem | undefined {
    if (this.#count === 0) return undefined;
    const total = `user '${tenant}', total ignored: ${this.#count} out of ${offered} for stream: ${stream}`;
    return { status: this.#status, text: this.#text + total };
  }
}

function tooFarBehindText(state: StreamState, seconds: number, reachNs: number): string {
  const oldestSeconds = Math.floor(state.newestSeconds + (state.newestNanos - reachNs) / 1e9);
  return `entry too far behind, entry timestamp is: ${rfc3339Seconds(seconds)}, oldest acceptable timestamp is: ${rfc3339Seconds(oldestSeconds)}`;
}

function streamLimitText(stream: string, tenant: TenantId): string {
  return `maximum active stream limit exceeded when trying to create stream ${stream}, reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: '${tenant}'`;
}

function streamRateText(rate: number, stream: string, lineBytes: number): string {
  return `Per stream rate limit exceeded (limit: ${sizeText(rate)}/sec) while attempting to ingest for stream '${stream}' totaling ${sizeText(lineBytes)}, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased`;
}

/** Bytes in the largest unit that divides them: `3MB`, `17B`. */
function sizeText(bytes: number): string {
  const units = ['GB', 'MB', 'KB'];
  for (let i = 0, unit = 2 ** 30; i < units.length; i++, unit /= 1024)
    if (bytes > 0 && bytes % unit === 0) return `${bytes / unit}${units[i]}`;
  return `${bytes}B`;
}
