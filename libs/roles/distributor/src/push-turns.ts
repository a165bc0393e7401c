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
  /**
   * Undefined: pushes of the tenant may begin now. Otherwise a promise that resolves when they may be able
   * to.
   */
  readonly room?: (tenant: TenantId) => Promise<void> | undefined;
}

/** Memory and threads that a push needs. */
export interface PushNeeds {
  /** Large pushes of a tenant wait among themselves: they need more, and its small ones pass them. */
  readonly isLarge: boolean;
  /**
   * Takes the memory and threads that the push needs. False: not all of them are free, none is taken, and
   * `retry` is called later.
   */
  readonly take: () => boolean;
}

/** A push that waits for its turn. */
interface Waiting {
  readonly sinceMs: number;
  readonly needs: PushNeeds;
  readonly begin: () => void;
  readonly refuse: (error: LokiError) => void;
}

/** The waiting pushes of one tenant, large ones or others, in order of arrival. */
interface Lane {
  readonly tenant: TenantId;
  readonly waiting: Waiting[];
  /**
   * Milliseconds that its pushes have computed since other lanes wait; a new lane starts with the least of
   * the others.
   */
  spentMs: number;
  /** The lane waits until a head takes its rows. */
  isHeld: boolean;
  /** The memory or threads for its first push are not free. */
  isShort: boolean;
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
  readonly #lanes = new Map<string, Lane>();
  /** Milliseconds that pushes have computed in this turn. */
  #turnMs = 0;
  /** Milliseconds in this turn of tenants that passed waiting ones. */
  #passingMs = 0;
  #isTurning = false;
  #overdue: TimerHandle | undefined;

  constructor(deps: TurnDeps) {
    this.#deps = deps;
  }

  /**
   * Runs `work` at the tenant's turn, when its memory and threads are free. The time up to its first pause
   * counts for that turn.
   *
   * @throws LokiError `overloaded` when it has waited for `waitMsMax`; then it holds no memory or threads
   */
  run<T>(tenant: TenantId, needs: PushNeeds, work: () => Promise<T>): Promise<T> {
    const key = needs.isLarge ? `${tenant} large` : tenant;
    const isPassing = this.#hasNext();
    const isFree = isPassing ? this.#passes(key) : this.#isFree(key);
    if (isFree && !this.#deps.room?.(tenant) && needs.take()) {
      const { result, ms } = this.#timed(work);
      if (isPassing) {
        this.#passingMs += ms;
        this.#laneOf(key, tenant).spentMs += ms;
      }
      return result;
    }
    return new Promise((resolve, reject) => {
      const lane = this.#laneOf(key, tenant);
      lane.waiting.push({
        sinceMs: this.#deps.clock.monotonicMs(),
        needs,
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

  /** Pushes of the tenant that wait, other than large ones. */
  waitingCount(tenant: string): number {
    return this.#lanes.get(tenant)?.waiting.length ?? 0;
  }

  /** Memory or threads that pushes need were released. */
  retry(): void {
    if (this.#lanes.size === 0) return;
    for (const lane of this.#lanes.values()) lane.isShort = false;
    this.#turn();
  }

  #isFree(key: string): boolean {
    return !this.#lanes.get(key)?.waiting.length && this.#turnMs < turnMsMax;
  }

  /**
   * Whether a push begins although others wait: it would be next, and the next turn follows only after all
   * other sliced work.
   */
  #passes(key: string): boolean {
    if (this.#passingMs >= turnMsMax) return false;
    const lane = this.#lanes.get(key);
    if (!lane) return true;
    if (lane.waiting.length > 0) return false;
    for (const other of this.#lanes.values()) {
      if (canBegin(other) && other.spentMs < lane.spentMs) return false;
    }
    return true;
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

  #laneOf(key: string, tenant: TenantId): Lane {
    let lane = this.#lanes.get(key);
    if (lane) return lane;
    // A new lane has no claim for the time before.
    let spentMs = Infinity;
    for (const other of this.#lanes.values()) spentMs = Math.min(spentMs, other.spentMs);
    if (!Number.isFinite(spentMs)) spentMs = 0;
    lane = { tenant, waiting: [], spentMs, isHeld: false, isShort: false };
    this.#lanes.set(key, lane);
    return lane;
  }

  /** Gives turns while a push may have one. */
  #turn(): void {
    if (this.#isTurning || !this.#hasNext()) return;
    this.#isTurning = true;
    void nextTurn(this.#deps.timers).then(() => {
      this.#isTurning = false;
      this.#turnMs = 0;
      this.#passingMs = 0;
      while (this.#turnMs < turnMsMax) {
        const lane = this.#next();
        if (!lane) break;
        this.#serve(lane);
      }
      this.#forget();
      this.#turn();
    });
  }

  /** Begins or refuses the first push of the lane, or marks the lane as waiting. */
  #serve(lane: Lane): void {
    if (this.#isHeld(lane)) return;
    const [first] = lane.waiting;
    const waitedMs = this.#deps.clock.monotonicMs() - first.sinceMs;
    const isOverdue = waitedMs >= this.#deps.waitMsMax;
    if (!isOverdue && !first.needs.take()) {
      lane.isShort = true;
      return;
    }
    lane.waiting.shift();
    if (isOverdue) first.refuse(overdue(waitedMs));
    else first.begin();
  }

  #hasNext(): boolean {
    for (const lane of this.#lanes.values()) if (canBegin(lane)) return true;
    return false;
  }

  /** The lane of the next push; undefined: no push waits, or none that may begin. */
  #next(): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of this.#lanes.values()) {
      // Of equal lanes the newest is next: it has not computed yet.
      if (canBegin(lane) && (!next || lane.spentMs <= next.spentMs)) next = lane;
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

  /**
   * Refuses overdue pushes of lanes that get no turn: their head takes no rows, or others need the memory.
   */
  #refuseOverdue(): void {
    const { clock, waitMsMax } = this.#deps;
    const nowMs = clock.monotonicMs();
    let oldestMs = Infinity;
    for (const lane of this.#lanes.values()) {
      const { waiting } = lane;
      while (waiting.length > 0 && nowMs - waiting[0].sinceMs >= waitMsMax) {
        const { sinceMs, refuse } = waiting.shift()!;
        refuse(overdue(nowMs - sinceMs));
        // The one behind it may need less.
        lane.isShort = false;
      }
      if (waiting.length > 0) oldestMs = Math.min(oldestMs, waiting[0].sinceMs);
    }
    this.#forget();
    this.#overdue = undefined;
    if (Number.isFinite(oldestMs)) this.#watchFor(oldestMs + waitMsMax - nowMs);
    this.#turn();
  }

  /**
   * Resets the sums of all lanes when no push waits; else removes an empty lane once all others have
   * computed as much.
   */
  #forget(): void {
    let leastMs = Infinity;
    for (const { waiting, spentMs } of this.#lanes.values()) {
      if (waiting.length > 0) leastMs = Math.min(leastMs, spentMs);
    }
    for (const [key, { waiting, spentMs }] of this.#lanes) {
      if (waiting.length === 0 && spentMs <= leastMs) this.#lanes.delete(key);
    }
  }
}

/** May be wrong: the turn of the push shows whether its memory and threads are free. */
function canBegin({ waiting, isHeld, isShort }: Lane): boolean {
  return waiting.length > 0 && !isHeld && !isShort;
}

function overdue(waitedMs: number): LokiError {
  const seconds = (waitedMs / 1000).toFixed(1);
  return new LokiError('overloaded', `too many pushes: this one waited ${seconds} s for its turn`);
}
