/** Turns of pushes on the thread that serves requests: the order in which they are decoded and written. */
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import { nextTurn } from '@loki/ports';
import type { Clock, TimerHandle, Timers } from '@loki/ports';

interface TurnDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Milliseconds that a push may wait for its turn. */
  readonly waitMsMax: number;
  /** Undefined: pushes of the tenant may begin now. Otherwise resolves when that may have changed. */
  readonly room?: (tenant: TenantId) => Promise<void> | undefined;
}

/** A push that waits for its turn. */
interface Waiting {
  readonly sinceMs: number;
  readonly begin: () => void;
  readonly refuse: (error: LokiError) => void;
}

/** The waiting pushes of one tenant, in order of arrival. */
interface Lane {
  readonly tenant: TenantId;
  readonly waiting: Waiting[];
  /**
   * Milliseconds that its pushes have computed since others wait; a new lane starts with the least of the
   * others.
   */
  spentMs: number;
  /** The lane waits until a head takes its rows. */
  isHeld: boolean;
}

/**
 * Milliseconds that pushes may compute in one turn of the event loop: then other work gets the thread. Bodies
 * of many connections arrive together, and 200 of 1 MB made turns of half a second.
 */
const turnMsMax = 10;

/**
 * Runs pushes at once while there is time; others wait for a turn. The waiting tenant that has computed least
 * is next: the flood of one tenant costs another the push in progress. A push that has waited too long is
 * refused before its body is read: its client would be gone before the answer, and repeats it.
 */
export class PushTurns {
  readonly #deps: TurnDeps;
  /** Lanes of tenants with waiting pushes, and of tenants that computed while others waited. */
  readonly #lanes = new Map<TenantId, Lane>();
  /** Milliseconds that pushes have computed in this turn. */
  #turnMs = 0;
  #isTurning = false;
  #overdue: TimerHandle | undefined;

  constructor(deps: TurnDeps) {
    this.#deps = deps;
  }

  /**
   * Runs `work` when it is the tenant's turn. Up to its first pause it counts for that turn.
   *
   * @throws LokiError `overloaded` when it has waited for `waitMsMax`
   */
  run<T>(tenant: TenantId, work: () => Promise<T>): Promise<T> {
    const isFirst = !this.#lanes.get(tenant)?.waiting.length && !this.#next();
    const isFree = isFirst && this.#turnMs < turnMsMax && !this.#deps.room?.(tenant);
    if (isFree) return this.#timed(work).result;
    return new Promise((resolve, reject) => {
      const lane = this.#laneOf(tenant);
      lane.waiting.push({
        sinceMs: this.#deps.clock.monotonicMs(),
        begin: () => {
          const { result, ms } = this.#timed(work);
          lane.spentMs += ms;
          resolve(result);
        },
        refuse: reject,
      });
      if (!this.#overdue) this.#watchFor(this.#deps.waitMsMax);
      this.#turn();
    });
  }

  #timed<T>(work: () => Promise<T>): { result: Promise<T>; ms: number } {
    const { clock, timers } = this.#deps;
    const beganMs = clock.monotonicMs();
    const result = work();
    const ms = clock.monotonicMs() - beganMs;
    const isFirst = this.#turnMs < turnMsMax;
    this.#turnMs += ms;
    if (isFirst && this.#turnMs >= turnMsMax) timers.after(0, () => (this.#turnMs = 0));
    return { result, ms };
  }

  #laneOf(tenant: TenantId): Lane {
    let lane = this.#lanes.get(tenant);
    if (lane) return lane;
    // A new lane has no claim for the time before.
    let spentMs = Infinity;
    for (const other of this.#lanes.values()) spentMs = Math.min(spentMs, other.spentMs);
    lane = { tenant, waiting: [], spentMs: Number.isFinite(spentMs) ? spentMs : 0, isHeld: false };
    this.#lanes.set(tenant, lane);
    return lane;
  }

  /** Gives turns while a push can have one. */
  #turn(): void {
    if (this.#isTurning || !this.#next()) return;
    this.#isTurning = true;
    void nextTurn(this.#deps.timers).then(() => {
      this.#isTurning = false;
      this.#turnMs = 0;
      while (this.#turnMs < turnMsMax) {
        const waiting = this.#next()?.waiting.shift();
        if (!waiting) break;
        const waitedMs = this.#deps.clock.monotonicMs() - waiting.sinceMs;
        if (waitedMs < this.#deps.waitMsMax) waiting.begin();
        else waiting.refuse(overdue(waitedMs));
      }
      this.#forget();
      this.#turn();
    });
  }

  /** The lane of the next push; undefined: no push waits, or none that may begin. */
  #next(): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      if (lane.waiting.length === 0 || lane.isHeld) continue;
      // Of equal lanes the newest is next: it has not computed yet.
      if ((!next || lane.spentMs <= next.spentMs) && !this.#isHeld(lane)) next = lane;
    }
    return next;
  }

  #isHeld(lane: Lane): boolean {
    const room = this.#deps.room?.(lane.tenant);
    if (!room) return false;
    lane.isHeld = true;
    void room.then(() => {
      lane.isHeld = false;
      this.#turn();
    });
    return true;
  }

  #watchFor(delayMs: number): void {
    this.#overdue = this.#deps.timers.after(delayMs, () => this.#refuseOverdue());
  }

  /** Refuses overdue pushes of lanes without a turn, because their head takes no rows. */
  #refuseOverdue(): void {
    const { clock, waitMsMax } = this.#deps;
    const nowMs = clock.monotonicMs();
    let oldestMs = Infinity;
    for (const { waiting } of this.#lanes.values()) {
      while (waiting.length > 0 && nowMs - waiting[0].sinceMs >= waitMsMax) {
        const { sinceMs, refuse } = waiting.shift()!;
        refuse(overdue(nowMs - sinceMs));
      }
      if (waiting.length > 0) oldestMs = Math.min(oldestMs, waiting[0].sinceMs);
    }
    this.#forget();
    this.#overdue = undefined;
    if (Number.isFinite(oldestMs)) this.#watchFor(oldestMs + waitMsMax - nowMs);
  }

  /**
   * Forgets the sums of all lanes when no push waits; else removes an empty lane once all others have
   * computed as much.
   */
  #forget(): void {
    let leastMs = Infinity;
    for (const { waiting, spentMs } of this.#lanes.values()) {
      if (waiting.length > 0) leastMs = Math.min(leastMs, spentMs);
    }
    for (const { tenant, waiting, spentMs } of this.#lanes.values()) {
      if (waiting.length === 0 && spentMs <= leastMs) this.#lanes.delete(tenant);
    }
  }
}

function overdue(waitedMs: number): LokiError {
  const seconds = (waitedMs / 1000).toFixed(1);
  return new LokiError('overloaded', `too many pushes: this one waited ${seconds} s for its turn`);
}
