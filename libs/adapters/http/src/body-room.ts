/** Room for bodies of requests, which tenants share: step *admit* of a written line. */
import { LokiError, SharedBytes } from '@loki/model';
import type { TimerHandle, Timers } from '@loki/ports';

/** A body that waits for room. */
export interface WaitingBody {
  readonly holder: string;
  readonly bytes: number;
  /** Called once: with an error when the body has waited too long. */
  readonly onRoom: (error?: LokiError) => void;
  deadline: TimerHandle | undefined;
}

/** The longest wait for room: a third of the time that common agents wait for an answer. */
const waitMsMax = 3_000;

/**
 * Received bytes of a waiting body outside of its room: the present piece, and the pieces that Node reads
 * before it pauses the connection.
 */
const waitingBodyBytes = 128 * 1024;
const waitingLeast = 64;
const waitingMost = 1_024;

/**
 * Bounds the bytes of bodies that are received or handled. A body beyond the share of its tenant waits, and
 * so does its client: after a refusal the client would send the same bytes again at once. Waiting tenants are
 * served in turn.
 */
export class BodyRoom {
  readonly #budget: SharedBytes;
  /** Number of waiting bodies, over which each tenant has a share. */
  readonly #waitingCount: SharedBytes;
  readonly #timers: Timers;
  /** Waiting bodies by tenant, in order of arrival; the tenant whose turn is next comes first. */
  readonly #waiting = new Map<string, WaitingBody[]>();

  constructor(bytesMax: number, timers: Timers) {
    this.#budget = new SharedBytes(bytesMax);
    const count = Math.floor(bytesMax / waitingBodyBytes);
    this.#waitingCount = new SharedBytes(Math.min(Math.max(count, waitingLeast), waitingMost));
    this.#timers = timers;
  }

  /** The largest body that can ever have room. */
  get bodyBytesMax(): number {
    return SharedBytes.shareOf(this.#budget.bytesMax);
  }

  /** Timers for the progress of bodies. */
  get timers(): Timers {
    return this.#timers;
  }

  /**
   * Takes room for a body of `holder`.
   *
   * @param onRoom called later with an error, or when the room is taken
   * @param isUnderWay the body holds room already, which its end will release: it is served first @returns
   *   undefined: the room is taken now, and `onRoom` is not called
   * @throws LokiError `overloaded` when too many bodies wait
   */
  take(
    holder: string,
    bytes: number,
    { onRoom, isUnderWay }: { readonly onRoom: WaitingBody['onRoom']; readonly isUnderWay: boolean },
  ): WaitingBody | undefined {
    const queue = this.#waiting.get(holder);
    if (!queue && this.#budget.take(holder, bytes)) return undefined;
    if (!this.#waitingCount.take(holder, 1)) throw overloaded();
    const body: WaitingBody = { holder, bytes, onRoom, deadline: undefined };
    body.deadline = this.#timers.after(waitMsMax, () => {
      this.leave(body);
      onRoom(overloaded());
    });
    if (queue && isUnderWay) queue.unshift(body);
    else if (queue) queue.push(body);
    else this.#waiting.set(holder, [body]);
    return body;
  }

  /** Releases room, and gives it to waiting bodies. */
  give(holder: string, bytes: number): void {
    this.#budget.give(holder, bytes);
    this.#serve();
  }

  /** Removes a body from the queue. */
  leave(body: WaitingBody): void {
    body.deadline?.cancel();
    const queue = this.#waiting.get(body.holder);
    const at = queue?.indexOf(body) ?? -1;
    if (!queue || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#waiting.delete(body.holder);
    this.#waitingCount.give(body.holder, 1);
    // A smaller body behind it may fit.
    this.#serve();
  }

  #serve(): void {
    for (const [holder, queue] of this.#waiting) {
      const [body] = queue;
      if (!this.#budget.take(holder, body.bytes)) continue;
      queue.shift();
      body.deadline?.cancel();
      this.#waitingCount.give(holder, 1);
      // Moves the tenant behind all others: a map iterates in the order in which its keys were set.
      this.#waiting.delete(holder);
      if (queue.length > 0) this.#waiting.set(holder, queue);
      body.onRoom();
    }
  }
}

function overloaded(): LokiError {
  return new LokiError('overloaded', 'too many bytes in flight, try again later');
}
