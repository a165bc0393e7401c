/** Memory and decoders for pushes in flight: whether a push may begin to be decoded. */
import { LokiError, mib, SharedBytes } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, Timers } from '@loki/ports';
import type { DistributorMetrics } from '@loki/telemetry';
import type { PushSize } from './decode/push-size.ts';
import { PushTurns } from './push-turns.ts';
import type { ConsumerLag } from './write/consumer-lag.ts';

/** Memory and threads that one push holds. */
export interface Grant {
  readonly tenant: TenantId;
  bytes: number;
  /** The push holds one of the decoders in another thread. */
  hasDecoder: boolean;
}

interface PushRoomDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: Pick<DistributorMetrics, 'inflightBytes'>;
  readonly lag?: ConsumerLag;
}

interface PushRoomBounds {
  /** 0: no bound. */
  readonly inflightBytesMax: number;
  readonly waitMsMax: number;
}

/**
 * Maximum of large pushes with a decoder at the same time. Their thread decodes one of them while the other
 * is moved to or from it. Further large pushes wait on this thread, where each tenant has its turn.
 */
const decodersMost = 2;
/**
 * With less room a second large push would need most of it: a push of 8 MB is held received, decompressed and
 * as columns.
 */
const secondDecoderFromBytes = 128 * mib;

/**
 * Holds pushes back until memory, and for a large push a decoder, is free. A push waits before it is decoded:
 * a refusal after decoding would waste the work, and the client would repeat the push at once. A client whose
 * push waits sends no other one.
 */
export class PushRoom {
  readonly #metrics: PushRoomDeps['metrics'];
  readonly #turns: PushTurns;
  /** Bytes of received and of decoded bodies that the log has not acknowledged yet. */
  readonly #inflight: SharedBytes;
  /** Bytes of bodies that wait for their decoding. */
  readonly #waiting: SharedBytes;
  readonly #decodersMax: number;
  #decoders = 0;

  constructor(deps: PushRoomDeps, { inflightBytesMax, waitMsMax }: PushRoomBounds) {
    this.#metrics = deps.metrics;
    this.#inflight = new SharedBytes(inflightBytesMax > 0 ? inflightBytesMax : Infinity);
    this.#decodersMax = this.#inflight.bytesMax < secondDecoderFromBytes ? 1 : decodersMost;
    this.#waiting = new SharedBytes(this.#inflight.bytesMax);
    this.#turns = new PushTurns({ ...deps, waitMsMax, room: (tenant) => deps.lag?.room(tenant) });
  }

  /**
   * Runs `work` at the turn of the push, and releases all memory and decoders of the push at the end.
   *
   * @throws LokiError `overloaded` when the push has waited too long, or too many bytes wait
   */
  async run<T>(tenant: TenantId, size: PushSize, work: (grant: Grant) => Promise<T>): Promise<T> {
    const grant: Grant = { tenant, bytes: 0, hasDecoder: false };
    const { isLarge, expectedBytes, roomBytes } = size;
    const bodyBytes = size.body.body.length;
    const bytes = bodyBytes + (isLarge ? roomBytes : expectedBytes);
    let waitingBytes = this.#wait(tenant, bodyBytes);
    const endWait = (): void => {
      this.#waiting.give(tenant, waitingBytes);
      waitingBytes = 0;
    };
    try {
      const needs = { isLarge, take: () => this.#take(grant, { bytes, isLarge }) };
      return await this.#turns.run(tenant, needs, () => {
        endWait();
        return work(grant);
      });
    } finally {
      endWait();
      this.giveDecoder(grant);
      this.letGo(grant, grant.bytes);
    }
  }

  /** Small pushes of the tenant that wait for their turn. */
  waitingCount(tenant: string): number {
    return this.#turns.waitingCount(tenant);
  }

  /** A push proved to be large during its decoding: its decoding starts again when a decoder is free. */
  async waitForDecoder(grant: Grant, { body, roomBytes }: PushSize): Promise<void> {
    this.letGo(grant, grant.bytes - body.body.length);
    const take = (): boolean => this.#take(grant, { bytes: roomBytes, isLarge: true });
    await this.#turns.run(grant.tenant, { isLarge: true, take }, () => Promise.resolve());
  }

  giveDecoder(grant: Grant): void {
    if (!grant.hasDecoder) return;
    grant.hasDecoder = false;
    this.#decoders--;
    this.#turns.retry();
  }

  /** Counts more bytes of a push. @throws LokiError `overloaded` when the room is too small for them */
  hold(grant: Grant, bytes: number): void {
    if (!this.#hasRoom(grant, bytes)) throw overloaded();
  }

  /** Sets the bytes of a push that is in memory already. */
  holdOnly(grant: Grant, bytes: number): void {
    if (bytes < grant.bytes) {
      this.letGo(grant, grant.bytes - bytes);
      return;
    }
    this.#inflight.force(grant.tenant, bytes - grant.bytes);
    grant.bytes = bytes;
    this.#report();
  }

  letGo(grant: Grant, bytes: number): void {
    this.#inflight.give(grant.tenant, bytes);
    grant.bytes -= bytes;
    this.#report();
    if (bytes > 0) this.#turns.retry();
  }

  #wait(tenant: TenantId, bytes: number): number {
    if (this.#waiting.bytes === 0) this.#waiting.force(tenant, bytes);
    else if (!this.#waiting.take(tenant, bytes)) throw overloaded();
    this.#report();
    return bytes;
  }

  #take(grant: Grant, { bytes, isLarge }: { bytes: number; isLarge: boolean }): boolean {
    if (isLarge && this.#decoders >= this.#decodersMax) return false;
    if (!this.#hasRoom(grant, bytes)) return false;
    if (isLarge) {
      this.#decoders++;
      grant.hasDecoder = true;
    }
    return true;
  }

  /** Counts the bytes if the room has them. A push alone always fits. */
  #hasRoom(grant: Grant, bytes: number): boolean {
    const isAlone = this.#inflight.bytes === grant.bytes;
    if (!isAlone && !this.#inflight.take(grant.tenant, bytes)) return false;
    if (isAlone) this.#inflight.force(grant.tenant, bytes);
    grant.bytes += bytes;
    this.#report();
    return true;
  }

  #report(): void {
    this.#metrics.inflightBytes(this.#inflight.bytes + this.#waiting.bytes);
  }
}

function overloaded(): LokiError {
  return new LokiError('overloaded', 'too many bytes of pushes in flight');
}
