/** Decodes a push here or, when it is large, in another thread: step *decode* of a written line. */
import { LokiError } from '@loki/model';
import { inSlices } from '@loki/ports';
import type { Clock, HttpRequest, Timers, Workers } from '@loki/ports';
import { decodePushTask, unpack, weightOf } from './decode/decode-push-task.ts';
import type { DecodedPush } from './decode/decode-push-task.ts';
import { decodePush } from './decode/decode-push.ts';
import { OtlpActionsCache } from './decode/otlp-actions-cache.ts';
import { pushSizeOf } from './decode/push-size.ts';
import type { PushSize } from './decode/push-size.ts';
import { checkBodySize, isBeyondRoom, roomGrowth } from './decode/read-body.ts';
import type { DistributorOptions } from './options.ts';
import type { PushRoom } from './push-room.ts';
import type { Push } from './push.ts';
import type { PushFormat } from './respond.ts';
import type { MetadataNames } from './rows/metadata-names.ts';
import { inlineCountsMax } from './rows/push-rows.ts';
import { StreamCache } from './streams/stream-cache.ts';
import type { StreamLookup } from './streams/stream-cache.ts';

interface PushDecoderDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly workers: Workers;
  readonly room: PushRoom;
  readonly names: MetadataNames;
}

/** Decodes the bodies of pushes into the columns of their scratch memory. */
export class PushDecoder {
  readonly #deps: PushDecoderDeps;
  readonly #options: DistributorOptions;
  readonly #streams: StreamCache;
  readonly #otlpActions: OtlpActionsCache;

  constructor(deps: PushDecoderDeps, options: DistributorOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#streams = new StreamCache(options.streamsCachedBytesMax);
    this.#otlpActions = new OtlpActionsCache(options.otlpIndexAttributes);
  }

  /** @param isExceeding the tenant exceeds its rate, and the push will probably be refused */
  sizeOf({ body, headers, path }: HttpRequest, format: PushFormat, isExceeding: boolean): PushSize {
    const contentType = headers.get('content-type') ?? '';
    const encoding = headers.get('content-encoding') ?? '';
    const kind = format === 'otlp' ? 'otlp' : path === '/api/prom/push' ? 'legacy' : 'push';
    return pushSizeOf({ body, kind, contentType, encoding }, this.#options, isExceeding);
  }

  /**
   * Decodes a body into columns. Undefined: done; a large body is decoded in another thread, and unpacked in
   * slices.
   *
   * @throws LokiError when the body is too large or not valid, or there is no room for it
   */
  decode(push: Push): Promise<void> | undefined {
    const { tenant, grant, size, scratch, limits, nowMs, discards, backfillShard } = push;
    const { body } = size.body;
    const bounds = this.#options;
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
        names: this.#deps.names,
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
    this.#deps.room.holdOnly(grant, body.length + scratch.rows.weightBytes);
    return undefined;
  }

  /**
   * A body gets no more room than is counted for it. The refusal comes before the decompression: memory of a
   * refused body would remain until it is collected.
   */
  async #decodeElsewhere(push: Push, streams: StreamLookup): Promise<void> {
    const { grant, size } = push;
    const { room } = this.#deps;
    const { decompressedBytesMax } = this.#options;
    push.isLarge = true;
    let roomBytes = size.roomBytes;
    if (!grant.hasDecoder) await room.waitForDecoder(grant, size);
    let decoded: DecodedPush | undefined;
    while (!decoded) {
      try {
        decoded = await this.#decodeWithin(push, roomBytes);
      } catch (error) {
        if (roomBytes === decompressedBytesMax || !isBeyondRoom(error)) throw error;
      }
      room.letGo(grant, roomBytes);
      roomBytes = Math.min(roomBytes * roomGrowth, decompressedBytesMax);
      if (!decoded) room.hold(grant, roomBytes);
    }
    room.giveDecoder(grant);
    room.hold(grant, weightOf(decoded));
    await inSlices(unpack(decoded, push.scratch.rows, streams), this.#deps);
  }

  #decodeWithin({ size, limits, nowMs }: Push, roomBytes: number): Promise<DecodedPush> {
    const { recvBytesMax, decompressedBytesMax, otlpIndexAttributes } = this.#options;
    const input = {
      ...size.body,
      otlp: limits.otlp,
      otlpIndexAttributes,
      nowMs,
      bounds: { recvBytesMax, decompressedBytesMax: roomBytes },
      isLastTry: roomBytes === decompressedBytesMax || size.body.encoding === '',
    };
    return this.#deps.workers.run(decodePushTask, input, { lane: 'bodies' });
  }
}
