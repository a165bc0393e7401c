/** Memory and decoders for pushes in flight: whether a push may begin to be decoded. */
import { LokiError, mib, SharedBytes } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, Timers } from '@loki/ports';
import type { DistributorMetrics } from '@loki/telemetry';
import type { PushSize } from './decode/push-size.ts';
import { PushTurns } from './push-turns.ts';
import type { ConsumerLag } from './write/consumer-lag.ts';

/** Memory and threads that one push has. */
export interface Grant {
  readonly tenant: TenantId;
  bytes: number;
  /** It has one of the decoders in another thread. */
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
 * Large pushes that are decoded side by side. Their thread computes one at a time; the other is moved there
 * and back meanwhile. Others wait outside of that thread, where each tenant has its turn.
 */
const decodersMost = 2;
/**
 * With less room a second one would need most of it: 8 MB stay as they come, decompressed and as columns.
 */
const secondDecoderFromBytes = 128 * mib;

/**
 * Pushes wait here until there is memory for them, and for large ones a decoder. A push waits before it is
 * decoded: a refusal after that would waste the work, and its client sends it again at once. A client whose
 * push waits sends nothing meanwhile.
 */
export class PushRoom {
  readonly #metrics: PushRoomDeps['metrics'];
  readonly #turns: PushTurns;
  /** Bodies as they came and as they were decoded, until the log has acknowledged them. */
  readonly #inflight: SharedBytes;
  /** Bodies that wait until they can be decoded. */
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
   * Runs `work` when it is the turn of the push, and lets go of all that it holds in the end.
   *
   * @throws LokiError `overloaded` when it has waited for too long, or too many bytes wait
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

  /** A push turned out to be large while it was decoded: it begins anew when there is a decoder. */
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

  /** Counts more bytes of a push. @throws LokiError `overloaded` when there is no room for them */
  hold(grant: Grant, bytes: number): void {
    if (!this.#hasRoom(grant, bytes)) throw overloaded();
  }

  /** Counts `bytes` in all for a push that has them already. */
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

  /** Counts the bytes if there is room. A push is never too large by itself. */
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
