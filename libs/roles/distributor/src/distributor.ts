/** One push from its body to its answer: steps *decode* to *write log* of a written line. */
import type { LimitsSource } from '@loki/config';
import { LokiError, mib } from '@loki/model';
import type { TenantId } from '@loki/model';
import { atOnce, inSlices } from '@loki/ports';
import type {
  Clock,
  DistributorService,
  HttpRequest,
  HttpResponse,
  Logger,
  Random,
  SlicedWork,
  Timers,
  Workers,
  WriteLog,
} from '@loki/ports';
import type { DistributorMetrics } from '@loki/telemetry';
import { AcceptedRows } from './admit/accepted-rows.ts';
import { blockedPolicyText, blockedTenantText } from './admit/blocked-ingestion.ts';
import { OfferedStreamRows, placesOfStreams } from './admit/offered-rows.ts';
import type { StreamLimitOwners } from './admit/stream-limit-claims.ts';
import { validateRows } from './admit/validate.ts';
import type { ValidRows } from './admit/validate.ts';
import { backfillShardOf } from './backfill-shard.ts';
import type { PushSize } from './decode/push-size.ts';
import { knownEncoding, knownType } from './header-labels.ts';
import { defaultDistributorOptions } from './options.ts';
import type { DistributorOptions } from './options.ts';
import { PushAdmission } from './push-admission.ts';
import { PushDecoder } from './push-decoder.ts';
import { PushRoom } from './push-room.ts';
import type { Grant } from './push-room.ts';
import { PushScratches } from './push-scratch.ts';
import type { Push } from './push.ts';
import { RefusalLog } from './refusal-log.ts';
import { accepted, failed, formatOf } from './respond.ts';
import type { PushFormat } from './respond.ts';
import { Discards } from './rows/discards.ts';
import { MetadataNames } from './rows/metadata-names.ts';
import { PushErrors } from './rows/push-errors.ts';
import { userAgentLabel } from './user-agent.ts';
import type { ConsumerLag } from './write/consumer-lag.ts';
import { PartitionBatches, PushBatches } from './write/partition-batches.ts';
import { StreamPlacement } from './write/stream-placement.ts';
import type { StreamPlacementDeps } from './write/stream-placement.ts';

export interface DistributorDeps extends StreamPlacementDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly workers: Workers;
  readonly writeLog: WriteLog;
  readonly limits: LimitsSource;
  readonly logger: Logger;
  readonly metrics: DistributorMetrics;
  /** Number of distributors that share a tenant's global rate, this one included. */
  readonly healthyDistributors: () => number;
  /** The counters of streams over all distributors; absent: there is no other distributor. */
  readonly streamLimitOwners?: StreamLimitOwners;
  /**
   * The lag of this process's heads; absent: heads are in other processes, and pushes do not wait for them.
   */
  readonly lag?: ConsumerLag;
}

/** Lines of a large push that are written between two looks at the clock: about 3 ms. */
const sliceBytes = mib / 4;

/**
 * The first half of the write path: decode, validate, limit, shard, append. A push is answered with success
 * only after the write log has acknowledged all of it.
 *
 * Decoding and writing happen in one turn of the event loop, so that one set of columns serves all pushes,
 * except those whose streams are claimed in another process.
 */
export class Distributor implements DistributorService {
  readonly #deps: DistributorDeps;
  readonly #options: DistributorOptions;
  readonly #scratches = new PushScratches();
  readonly #room: PushRoom;
  readonly #names = new MetadataNames();
  readonly #decoder: PushDecoder;
  readonly #admission: PushAdmission;
  readonly #placement: StreamPlacement;
  readonly #batches: PartitionBatches;
  readonly #acceptedRows: AcceptedRows;
  readonly #refusals: RefusalLog;

  constructor(deps: DistributorDeps, options: Partial<DistributorOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...defaultDistributorOptions, ...options };
    this.#room = new PushRoom(deps, this.#options);
    this.#decoder = new PushDecoder({ ...deps, room: this.#room, names: this.#names }, this.#options);
    this.#placement = new StreamPlacement(deps);
    this.#admission = new PushAdmission(deps, this.#options, (stream, shards, newestSeconds) =>
      this.#placement.requestShards(stream, shards, newestSeconds),
    );
    this.#batches = new PartitionBatches(deps, this.#options);
    this.#acceptedRows = new AcceptedRows(deps.metrics);
    this.#refusals = new RefusalLog(deps.logger, deps.clock);
  }

  async push(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const format = formatOf(request);
    try {
      return await this.#push(tenant, request, format);
    } catch (error) {
      if (error instanceof LokiError) {
        if (error.code !== 'clientGone') this.#refusals.report(tenant, error.status, error.message);
        return failed(format, error.status, error.message);
      }
      this.#deps.logger.error('push failed', { tenant, path: request.path, error: String(error) });
      return failed(format, 500, 'internal error');
    }
  }

  waitingPushes(tenant: string): number {
    return this.#room.waitingCount(tenant);
  }

  /** Appends the open batches. Later pushes are still accepted. */
  async drain(): Promise<void> {
    await this.#batches.drain();
  }

  async #push(tenant: TenantId, request: HttpRequest, format: PushFormat): Promise<HttpResponse> {
    const size = this.#decoder.sizeOf(request, format, this.#admission.isExceeding(tenant));
    return this.#room.run(tenant, size, (grant) => this.#answer(request, format, size, grant));
  }

  async #answer(
    request: HttpRequest,
    format: PushFormat,
    size: PushSize,
    grant: Grant,
  ): Promise<HttpResponse> {
    const { tenant } = grant;
    const push: Push = {
      tenant,
      grant,
      size,
      request,
      format,
      limits: this.#deps.limits.forTenant(tenant),
      backfillShard: backfillShardOf(request),
      scratch: this.#scratches.take(),
      nowMs: this.#deps.clock.nowMs(),
      errors: new PushErrors(),
      discards: new Discards(),
      isLarge: false,
      refusedStatus: 400,
      retryAfterMs: 0,
      retriedBytes: 0,
    };
    const acks = await this.#stored(push);
    if ('status' in acks) return acks;
    await Promise.all(acks);
    if (push.errors.isEmpty) return accepted();
    const text = push.errors.text();
    this.#refusals.report(tenant, push.refusedStatus, text);
    return failed(format, push.refusedStatus, text, push.retryAfterMs);
  }

  /** Writes the valid rows of a push into batches. */
  async #stored(push: Push): Promise<Promise<void>[] | HttpResponse> {
    const { tenant, format } = push;
    try {
      this.#countPush(push);
      const decoding = this.#decoder.decode(push);
      if (decoding) await decoding;
      if (push.scratch.rows.streams.length === 0) {
        throw new LokiError('unprocessable', 'error at least one valid stream is required for ingestion');
      }
      const blocked = this.#blocked(push);
      if (blocked) return blocked;
      const checks = this.#checks(push);
      const valid = push.isLarge ? await inSlices(checks, this.#deps) : atOnce(checks);
      if (valid.truncated > 0) this.#deps.metrics.truncated(tenant, valid.truncated);
      if (valid.lines > 0) this.#admission.takeRate(push, valid);
      const verdicts = valid.lines > 0 ? this.#admission.ask(push, this.#scratches.takenCount) : undefined;
      if (verdicts) await verdicts;
      const caughtUp = this.#placement.caughtUp();
      if (caughtUp) await caughtUp;
      return valid.lines > 0 ? await this.#store(push, valid) : [];
    } finally {
      this.#scratches.giveBack(push.scratch);
      // The garbage collector would run for bodies alone, twice a second at 27 MB/s.
      push.request.freeBody?.();
      push.discards.report(this.#deps.metrics, tenant, format);
    }
  }

  #countPush({ tenant, format, size }: Push): void {
    const { contentType, encoding } = size.body;
    this.#deps.metrics.pushed(tenant, format, knownType(contentType), knownEncoding(encoding));
  }

  /** The error for a tenant that must not write now. */
  #blocked({ tenant, format, scratch, limits, nowMs, discards }: Push): HttpResponse | undefined {
    const text = blockedTenantText(tenant, limits, nowMs);
    if (text === undefined) return undefined;
    const { rows } = scratch;
    let bytes = 0;
    for (let row = 0; row < rows.rowCount; row++) bytes += rows.rowBytes(row);
    discards.add('blocked_ingestion', rows.rowCount, bytes);
    const status = limits.blockIngestionStatusCode;
    if (status === 200) return { status };
    this.#refusals.report(tenant, status, text);
    return failed(format, status, text);
  }

  /** Checks every row. */
  #checks(push: Push): SlicedWork<ValidRows> {
    const { tenant, scratch, limits, nowMs, errors, discards } = push;
    const blockedText = (policy: string): string | undefined => {
      const text = blockedPolicyText(tenant, limits, policy, nowMs);
      if (text) push.refusedStatus = limits.blockIngestionStatusCode;
      return text;
    };
    return validateRows(scratch.rows, {
      limits,
      nowMs,
      names: this.#names,
      recordBytesMax: this.#deps.writeLog.recordBytesMax,
      isBackfill: push.backfillShard !== undefined,
      removesExpired: this.#options.removesExpired,
      blockedText,
      errors,
      discards,
    });
  }

  /** Writes columns to batches: admit, shard, write. Returns the promises of their acknowledgement. */
  async #store(push: Push, valid: ValidRows): Promise<Promise<void>[]> {
    const { tenant, scratch, limits } = push;
    const runBytesMax = push.isLarge ? sliceBytes : this.#options.batchBytesMax;
    const ofPush = { tenant, rows: scratch.rows, limits, runBytesMax };
    const batches = new PushBatches(ofPush, this.#placement, this.#batches);
    const pause = () => {
      batches.commit();
      return this.#deps.lag?.room(tenant);
    };
    const offered = new OfferedStreamRows(scratch.rows, push.discards);
    const work = this.#streamsToBatches(push, offered, batches);
    // Other requests get the thread here, so the open batches are sealed first.
    if (push.isLarge) await inSlices(work, this.#deps, pause);
    else atOnce(work);
    if (push.refusedStatus === 429) this.#admission.expectRetry(push, offered);
    this.#countAccepted(push, valid);
    batches.commit();
    return batches.acks;
  }

  *#streamsToBatches(push: Push, offered: OfferedStreamRows, batches: PushBatches): SlicedWork<void> {
    for (const places of placesOfStreams(push.scratch.rows)) {
      yield;
      if (this.#admission.admit(push, offered, places)) yield* batches.write(places);
    }
  }

  #countAccepted({ tenant, request, format, scratch, limits, nowMs }: Push, valid: ValidRows): void {
    this.#acceptedRows.count({ rows: scratch.rows, valid, limits }, { tenant, format });
    const userAgent = userAgentLabel(request.headers.get('user-agent') ?? '');
    const lagMs = nowMs - valid.newestSeconds * 1000;
    this.#deps.metrics.lagged({ tenant, format, userAgent, lagMs });
  }
}
