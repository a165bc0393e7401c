/** One push from its body to its answer: steps *decode* to *write log* of a written line. */
import type { Limits, LimitsSource } from '@loki/config';
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
import { lineBytesBuckets } from '@loki/telemetry';
import type { DistributorMetrics } from '@loki/telemetry';
import { IngestRate } from './admit/ingest-rate.ts';
import { OfferedStreamRows, placesOfStreams } from './admit/offered-rows.ts';
import type { SharedStreams, StreamAdmission } from './admit/stream-admission.ts';
import { StreamLimitClaims } from './admit/stream-limit-claims.ts';
import type { StreamLimitOwners } from './admit/stream-limit-claims.ts';
import { StreamRegistry } from './admit/stream-registry.ts';
import { takenByPolicy } from './admit/taken-by-policy.ts';
import { validateRows } from './admit/validate.ts';
import type { ValidRows } from './admit/validate.ts';
import { backfillShardOf } from './backfill-shard.ts';
import { decodePushTask, unpack, weightOf } from './decode/decode-push-task.ts';
import type { DecodedPush } from './decode/decode-push-task.ts';
import { decodePush } from './decode/decode-push.ts';
import { OtlpActionsCache } from './decode/otlp-actions-cache.ts';
import { pushSizeOf } from './decode/push-size.ts';
import type { PushSize } from './decode/push-size.ts';
import { checkBodySize, isBeyondRoom, roomGrowth } from './decode/read-body.ts';
import { knownEncoding, knownType } from './header-labels.ts';
import { rfc3339Seconds } from './json/time-text.ts';
import { defaultDistributorOptions } from './options.ts';
import type { DistributorOptions } from './options.ts';
import { PushRoom } from './push-room.ts';
import type { Grant } from './push-room.ts';
import { PushScratches } from './push-scratch.ts';
import type { PushScratch } from './push-scratch.ts';
import { accepted, failed, formatOf } from './respond.ts';
import type { PushFormat } from './respond.ts';
import { Discards } from './rows/discards.ts';
import { MetadataNames } from './rows/metadata-names.ts';
import { PushErrors } from './rows/push-errors.ts';
import { inlineCountsMax } from './rows/push-rows.ts';
import type { PushRows } from './rows/push-rows.ts';
import { PartitionChooser, shardOfRow } from './streams/partition-chooser.ts';
import type { PartitionStep, StreamShards } from './streams/partition-chooser.ts';
import { policyBlockedUntilMs } from './streams/policies.ts';
import type { ResolvedStream } from './streams/resolve-stream.ts';
import { StreamCache } from './streams/stream-cache.ts';
import type { StreamLookup } from './streams/stream-cache.ts';
import { userAgentLabel } from './user-agent.ts';
import { consumeMicros } from './write/consumer-lag.ts';
import type { ConsumerLag } from './write/consumer-lag.ts';
import { PartitionBatcher } from './write/partition-batcher.ts';
import { runsOfStream, writeRun } from './write/write-rows.ts';

export interface DistributorDeps {
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
  /** The shards of hot streams; absent: each stream goes to one partition. */
  readonly streamShards?: StreamShards;
  /** How many partitions rows of a time are spread over; absent: those of the log, whatever the time. */
  readonly partitions?: {
    readonly steps: readonly PartitionStep[];
    /** Waits until additions of other distributors are known; undefined: they are. */
    caughtUp(): Promise<void> | undefined;
  };
  /**
   * The lag of this process's heads; absent: heads are in other processes, and pushes do not wait for them.
   */
  readonly lag?: ConsumerLag;
}

/** A push in progress: the results of its steps. */
interface Push {
  readonly tenant: TenantId;
  readonly grant: Grant;
  readonly size: PushSize;
  readonly request: HttpRequest;
  readonly format: PushFormat;
  readonly scratch: PushScratch;
  readonly limits: Limits;
  readonly nowMs: number;
  readonly errors: PushErrors;
  readonly discards: Discards;
  /** Set for a backfill; its streams get this mark. */
  readonly backfillShard: string | undefined;
  /** Decoded in another thread, and written in slices. */
  isLarge: boolean;
  /** 400, or 429 when a refused row may be accepted later. */
  refusedStatus: number;
  /** Time until the client may repeat the push, if known. */
  retryAfterMs: number;
}

/** Lines of a large push that are written between two looks at the clock: about 3 ms. */
const sliceBytes = mib / 4;

/**
 * Pushes that may wait for a verdict on their streams, and their bytes: further ones are judged by this
 * process's own counts.
 */
const askingMax = 256;
const askingBytesMax = 128 * mib;

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
  readonly #streams: StreamCache;
  readonly #names = new MetadataNames();
  readonly #otlpActions: OtlpActionsCache;
  readonly #rate: IngestRate;
  readonly #admission: StreamAdmission;
  readonly #chooser: PartitionChooser;
  /** By partition, made at the first use: partitions are added while the distributor runs. */
  readonly #batchers: PartitionBatcher[] = [];
  readonly #writerId: string;
  readonly #lineSizes = new Float64Array(lineBytesBuckets.length + 1);
  readonly #room: PushRoom;
  /** Decompressed bytes of pushes that wait for a verdict. */
  #askingBytes = 0;

  constructor(deps: DistributorDeps, options: Partial<DistributorOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...defaultDistributorOptions, ...options };
    this.#room = new PushRoom(deps, this.#options);
    this.#streams = new StreamCache(this.#options.streamsCachedMax);
    this.#otlpActions = new OtlpActionsCache(this.#options.otlpIndexAttributes);
    this.#rate = new IngestRate(deps.healthyDistributors);
    this.#admission = new StreamRegistry(
      this.#options,
      sharedStreams(deps),
      (stream, shards, newestSeconds) => this.#shard(stream, shards, newestSeconds),
    );
    const count = deps.writeLog.partitionCount;
    this.#chooser = new PartitionChooser(deps.partitions ?? { steps: [{ fromSeconds: 0, count }] });
    this.#writerId = Buffer.from(deps.random.bytes(16)).toString('hex');
  }

  async push(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const format = formatOf(request);
    try {
      return await this.#push(tenant, request, format);
    } catch (error) {
      if (error instanceof LokiError) return failed(format, error.status, error.message);
      this.#deps.logger.error('push failed', { tenant, path: request.path, error: String(error) });
      return failed(format, 500, 'internal error');
    }
  }

  waitingPushes(tenant: string): number {
    return this.#room.waitingCount(tenant);
  }

  /** Appends the open batches. Later pushes are still accepted. */
  async drain(): Promise<void> {
    await Promise.all(this.#batchers.map((batcher) => batcher.drain()));
  }

  #batcher(partition: number): PartitionBatcher {
    return (this.#batchers[partition] ??= new PartitionBatcher(
      partition,
      { ...this.#deps, writerId: this.#writerId },
      this.#options,
    ));
  }

  async #push(tenant: TenantId, request: HttpRequest, format: PushFormat): Promise<HttpResponse> {
    const size = this.#sizeOf(tenant, request, format);
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
    };
    const acks = await this.#stored(push);
    if ('status' in acks) return acks;
    await Promise.all(acks);
    if (push.errors.isEmpty) return accepted();
    return failed(format, push.refusedStatus, push.errors.text(), push.retryAfterMs);
  }

  /** Writes the valid rows of a push into batches. */
  async #stored(push: Push): Promise<Promise<void>[] | HttpResponse> {
    const { tenant, format } = push;
    try {
      const decoding = this.#decode(push);
      if (decoding) await decoding;
      if (push.scratch.rows.streams.length === 0) {
        throw new LokiError('unprocessable', 'error at least one valid stream is required for ingestion');
      }
      const blocked = this.#blocked(push);
      if (blocked) return blocked;
      const checks = this.#checks(push);
      const valid = push.isLarge ? await inSlices(checks, this.#deps) : atOnce(checks);
      this.#takeRate(push, valid);
      const verdicts = valid.lines > 0 ? this.#ask(push) : undefined;
      if (verdicts) await verdicts;
      const { partitions, streamShards } = this.#deps;
      const caughtUp = [partitions?.caughtUp() ?? [], streamShards?.caughtUp?.() ?? []].flat();
      if (caughtUp.length > 0) await Promise.all(caughtUp);
      return valid.lines > 0 ? await this.#store(push, valid) : [];
    } finally {
      this.#scratches.giveBack(push.scratch);
      // The garbage collector would run for bodies alone, twice a second at 27 MB/s.
      push.request.freeBody?.();
      push.discards.report(this.#deps.metrics, tenant, format);
    }
  }

  #sizeOf(tenant: TenantId, { body, headers, path }: HttpRequest, format: PushFormat): PushSize {
    const contentType = headers.get('content-type') ?? '';
    const encoding = headers.get('content-encoding') ?? '';
    const kind = format === 'otlp' ? 'otlp' : path === '/api/prom/push' ? 'legacy' : 'push';
    const isExceeding = this.#rate.isExceeded(tenant, this.#deps.clock.monotonicMs());
    return pushSizeOf({ body, kind, contentType, encoding }, this.#options, isExceeding);
  }

  /**
   * Decodes a body into columns. Undefined: done; a large body is decoded in another thread, and unpacked in
   * slices.
   */
  #decode(push: Push): Promise<void> | undefined {
    const { tenant, grant, size, format, scratch, limits, nowMs, discards, backfillShard } = push;
    const { body, contentType, encoding } = size.body;
    const bounds = this.#options;
    this.#deps.metrics.pushed(tenant, format, knownType(contentType), knownEncoding(encoding));
    if (body.length > bounds.recvBytesMax) discards.add('request_body_too_large', 0, body.length);
    checkBodySize(body, bounds);
    const streams = this.#streams.lookup(tenant, limits, backfillShard);
    if (size.isLarge) return this.#decodeElsewhere(push, streams);
    scratch.rows.countsMax = inlineCountsMax;
    try {
      const actions = () => this.#otlpActions.of(limits);
      const inline = { ...bounds, decompressedBytesMax: size.inlineBytesMax };
      decodePush(size.body, {
        rows: scratch.rows,
        snappy: scratch.snappy,
        streams,
        limits,
        actions,
        names: this.#names,
        nowMs,
        bounds: inline,
      });
    } catch (error) {
      // The worker reports a body that is too large.
      const isLarge = error instanceof LokiError && error.code === 'bodyTooLarge';
      if (!isLarge) throw error;
      return this.#decodeElsewhere(push, streams);
    }
    // To refuse it now would free nothing.
    this.#room.holdOnly(grant, body.length + scratch.rows.weightBytes);
    return undefined;
  }

  /**
   * A body gets no more room than is counted for it. The refusal comes before the decompression: memory of a
   * refused body would remain until it is collected.
   */
  async #decodeElsewhere(push: Push, streams: StreamLookup): Promise<void> {
    const { grant, size } = push;
    const { decompressedBytesMax } = this.#options;
    push.isLarge = true;
    let room = size.roomBytes;
    if (!grant.hasDecoder) await this.#room.waitForDecoder(grant, size);
    let decoded: DecodedPush | undefined;
    while (!decoded) {
      try {
        decoded = await this.#decodeWithin(push, room);
      } catch (error) {
        if (room === decompressedBytesMax || !isBeyondRoom(error)) throw error;
      }
      this.#room.letGo(grant, room);
      room = Math.min(room * roomGrowth, decompressedBytesMax);
      if (!decoded) this.#room.hold(grant, room);
    }
    this.#room.giveDecoder(grant);
    this.#room.hold(grant, weightOf(decoded));
    await inSlices(unpack(decoded, push.scratch.rows, streams), this.#deps);
  }

  #decodeWithin({ size, limits, nowMs }: Push, room: number): Promise<DecodedPush> {
    const { recvBytesMax, decompressedBytesMax, otlpIndexAttributes } = this.#options;
    const input = {
      ...size.body,
      otlp: limits.otlp,
      otlpIndexAttributes,
      nowMs,
      bounds: { recvBytesMax, decompressedBytesMax: room },
      isLastTry: room === decompressedBytesMax || size.body.encoding === '',
    };
    return this.#deps.workers.run(decodePushTask, input, { lane: 'bodies' });
  }

  /** The error for a tenant that must not write now. */
  #blocked({ tenant, format, scratch, limits, nowMs, discards }: Push): HttpResponse | undefined {
    const { blockIngestionUntilMs: untilMs, blockIngestionStatusCode: status } = limits;
    if (untilMs <= nowMs) return undefined;
    const { rows } = scratch;
    let bytes = 0;
    for (let row = 0; row < rows.rowCount; row++) bytes += rows.rowBytes(row);
    discards.add('blocked_ingestion', rows.rowCount, bytes);
    if (status === 200) return { status };
    const until = rfc3339Seconds(Math.floor(untilMs / 1000));
    return failed(
      format,
      status,
      `ingestion blocked for user '${tenant}' until '${until}' with status code '${status}'`,
    );
  }

  /** Checks every row. */
  #checks(push: Push): SlicedWork<ValidRows> {
    const { scratch, limits, nowMs, errors, discards } = push;
    return validateRows(scratch.rows, {
      limits,
      nowMs,
      names: this.#names,
      recordBytesMax: this.#deps.writeLog.recordBytesMax,
      isBackfill: push.backfillShard !== undefined,
      removesExpired: this.#options.removesExpired,
      blockedText: (policy) => blockedPolicyText(push, policy),
      errors,
      discards,
    });
  }

  #takeRate({ tenant, limits, discards }: Push, valid: ValidRows): void {
    if (valid.truncated > 0) this.#deps.metrics.truncated(tenant, valid.truncated);
    if (valid.lines === 0) return;
    try {
      this.#rate.take(tenant, limits, valid.lines, valid.bytes, this.#deps.clock.monotonicMs());
    } catch (error) {
      discards.add('rate_limited', valid.lines, valid.bytes);
      throw error;
    }
  }

  /** Claims the new streams of a push; undefined: there is nothing to wait for. */
  #ask({ tenant, scratch, limits, nowMs }: Push): Promise<void> | undefined {
    const { rows } = scratch;
    const bytes = rows.bytes.length + rows.extraLength;
    if (this.#scratches.takenCount > askingMax || this.#askingBytes + bytes > askingBytesMax) {
      return undefined;
    }
    const verdicts = this.#admission.prepare?.(tenant, streamsWithRows(rows), limits, nowMs);
    if (!verdicts) return undefined;
    this.#askingBytes += bytes;
    return verdicts.finally(() => {
      this.#askingBytes -= bytes;
    });
  }

  /** Writes columns to batches: admit, shard, write. Returns the promises of their acknowledgement. */
  async #store(push: Push, valid: ValidRows): Promise<Promise<void>[]> {
    const batchers = new Set<PartitionBatcher>();
    const acks: Promise<void>[] = [];
    const commit = () => {
      for (const batcher of batchers) acks.push(batcher.commit(push.tenant));
      batchers.clear();
    };
    const pause = () => {
      commit();
      return this.#deps.lag?.room(push.tenant);
    };
    const offered = new OfferedStreamRows(push.scratch.rows, push.discards);
    const work = this.#streamsToBatches(push, offered, batchers, acks);
    // Other requests get the thread here, so the open batches are sealed first.
    const retriedBytes = push.isLarge ? await inSlices(work, this.#deps, pause) : atOnce(work);
    if (push.refusedStatus === 429) this.#expectRetry(push, offered, retriedBytes);
    this.#countAccepted(push, valid);
    commit();
    return acks;
  }

  /** Returns the bytes of admitted rows that the client sends again. */
  *#streamsToBatches(
    push: Push,
    offered: OfferedStreamRows,
    batchers: Set<PartitionBatcher>,
    acks: Promise<void>[],
  ): SlicedWork<number> {
    const { tenant, scratch, limits, nowMs, errors } = push;
    const { rows } = scratch;
    let retriedBytes = 0;
    for (const places of placesOfStreams(rows)) {
      yield;
      if (!offered.start(places)) continue;
      const problem = this.#admission.admit(tenant, rows.streams[places[0]], offered, limits, nowMs);
      if (problem) {
        errors.add(problem.text);
        push.retryAfterMs = Math.max(push.retryAfterMs, problem.retryAfterMs ?? 0);
        if (problem.status === 429) {
          push.refusedStatus = 429;
          retriedBytes += offered.refusedBytes;
        }
      }
      if (offered.refusedCount === offered.count) continue;
      yield* this.#write(push, places, batchers, acks);
    }
    return retriedBytes;
  }

  /**
   * Writes a stream's rows into the batches of its partitions: of one, or of as many as the stream has shards
   * at the time of each row.
   */
  *#write(
    push: Push,
    places: readonly number[],
    batchers: Set<PartitionBatcher>,
    acks: Promise<void>[],
  ): SlicedWork<void> {
    const { tenant, scratch, limits } = push;
    const { rows } = scratch;
    const { placementHash } = rows.streams[places[0]];
    const shardSize = limits.ingestionPartitionsTenantShardSize;
    const chooser = this.#chooser;
    const steps = this.#deps.streamShards?.of(placementHash) ?? [];
    const partition =
      steps.length > 0 || chooser.dependsOnTime
        ? (row: number) => {
            const shard = shardOfRow(steps, rows.seconds[row], rows.nanos[row]);
            const count = chooser.countAt(rows.seconds[row]);
            return chooser.choose(tenant, placementHash, shardSize, { shard, count });
          }
        : chooser.choose(tenant, placementHash, shardSize);
    const bytesMax = push.isLarge ? sliceBytes : this.#options.batchBytesMax;
    for (const run of runsOfStream(rows, places, { partition, bytesMax })) {
      const batcher = this.#batcher(run.partition);
      const writer = batcher.writer(tenant);
      batchers.add(batcher);
      const { rowCount, byteSize, nameCount } = writer;
      writeRun(rows, run, limits, writer);
      batcher.wrote(tenant, consumeMicros({ rowCount, byteSize, nameCount }, writer));
      // One push must not fill a batch without bound.
      if (batcher.isLarge) acks.push(batcher.commit(tenant));
      yield;
    }
  }

  /** The client sends the push again: its refused rows must not be charged, its stored ones not twice. */
  #expectRetry({ tenant, scratch, nowMs }: Push, offered: OfferedStreamRows, refusedBytes: number): void {
    this.#rate.giveBack(tenant, refusedBytes);
    const { rows } = scratch;
    for (const places of placesOfStreams(rows)) {
      if (offered.start(places)) this.#admission.rememberAdmitted(rows.streams[places[0]], offered, nowMs);
    }
  }

  /** Requests more partitions for a stream that grows fast. */
  #shard({ placementHash, limits }: ResolvedStream, needed: number, newestSeconds: number): void {
    const { streamShards } = this.#deps;
    const partitions = this.#chooser.partitionsOf(limits.ingestionPartitionsTenantShardSize);
    // Powers of two: a growing stream reaches its number of shards in few steps.
    const shards = Math.min(2 ** Math.ceil(Math.log2(needed)), partitions);
    if (shards > 1) streamShards?.want(placementHash, shards, newestSeconds);
  }

  #countAccepted({ tenant, request, format, scratch, limits, nowMs }: Push, valid: ValidRows): void {
    const { rows } = scratch;
    const sizes = this.#lineSizes.fill(0);
    let lineBytes = 0;
    for (let row = 0; row < rows.rowCount; row++) {
      if (rows.isRefused[row] === 1) continue;
      const size = rows.lineEnd[row] - rows.lineStart[row];
      lineBytes += size;
      // Buckets end at 1, 8, 64 …: three bits each.
      const bucket = size <= 1 ? 0 : Math.ceil((32 - Math.clz32(size - 1)) / 3);
      sizes[Math.min(bucket, sizes.length - 1)]++;
    }
    const { metrics } = this.#deps;
    metrics.lineSizes(sizes, lineBytes);
    const retentionHours = limits.retentionPeriodMs > 0 ? String(limits.retentionPeriodMs / 3_600_000) : '';
    for (const [policy, counts] of takenByPolicy(rows, limits, valid)) {
      metrics.accepted({ ...counts, tenant, format, policy, retentionHours });
    }
    const userAgent = userAgentLabel(request.headers.get('user-agent') ?? '');
    metrics.lagged({ tenant, format, userAgent, lagMs: nowMs - valid.newestSeconds * 1000 });
  }
}

/** Streams with at least one valid row. */
function* streamsWithRows(rows: PushRows): Generator<ResolvedStream> {
  for (let index = 0; index < rows.streams.length; index++) {
    const end = rows.streamRowEnd(index);
    for (let row = rows.streamFirstRow[index]; row < end; row++) {
      if (rows.isRefused[row] === 1) continue;
      yield rows.streams[index];
      break;
    }
  }
}

function sharedStreams(deps: DistributorDeps): SharedStreams | undefined {
  const { streamLimitOwners: limiters, healthyDistributors } = deps;
  return (
    limiters && {
      counters: limiters,
      healthyDistributors,
      claims: new StreamLimitClaims({ ...deps, owners: limiters }),
    }
  );
}

/** The reason why entries of the policy are refused now. '': refused silently. */
function blockedPolicyText(push: Push, policy: string): string | undefined {
  const { tenant, limits, nowMs } = push;
  const untilMs = policyBlockedUntilMs(limits, policy);
  if (untilMs <= nowMs) return undefined;
  const status = limits.blockIngestionStatusCode;
  if (status === 200) return '';
  push.refusedStatus = status;
  const until = rfc3339Seconds(Math.floor(untilMs / 1000));
  const named = policy === '' ? '' : ` (policy: '${policy}')`;
  return `ingestion blocked for user '${tenant}' until '${until}' with status code '${status}'${named}`;
}
