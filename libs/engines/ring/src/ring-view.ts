/** One process's view of a ring. */
import type { Clock, Logger, RingNews, RingStore, TimerHandle, Timers } from '@loki/ports';
import { decodeInstance, instancesMax } from './instance.ts';
import type { RingInstance } from './instance.ts';
import { Ring } from './ring.ts';

interface RingViewOptions {
  readonly store: RingStore;
  /** Loki's name, for instance `collectors/ring`. */
  readonly key: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger?: Logger;
  /** A member that is silent for this long is unhealthy. Default 1 min, as Loki. */
  readonly heartbeatTimeoutMs?: number;
  /**
   * Interval of full reads of the store, in addition to watching it; longer for a large ring. Default 5 s.
   */
  readonly pollMs?: number;
  /** Monotonic time of this process's last acknowledged write to the store; undefined: none. */
  readonly lastWriteMs?: () => number | undefined;
}

/**
 * Each further member makes reads of all entries rarer: 1,000 processes that read 1,000 entries every 15
 * s take 15 MB/s from the store.
 */
const pollMsPerMember = 15;
/**
 * A larger ring is recomputed only after a pause when changes follow each other: all members of a large
 * cluster may start within a minute.
 */
const promptMembersMax = 100;
const rebuildMsPerMember = 0.25;

interface MemberState {
  instance: RingInstance;
  /** Both on the scale of `#reachedMs`. */
  firstSeenMs: number;
  heardMs: number;
}

/**
 * One process's knowledge of a ring.
 *
 * Life is judged by heartbeats that change while we watch, not by the members' clocks, and time counts only
 * while the store takes writes: with the store away, or full, or a read-only replica, no member turns
 * unhealthy, and the last ring stays in force. A heartbeat of any member shows that it takes them, and so
 * does a write of this process. A member that vanishes without having said that it leaves (the store was
 * wiped) is kept until it would have timed out, so that it can register again before anything moves.
 */
export class RingView {
  readonly #options: RingViewOptions;
  readonly #heartbeatTimeoutMs: number;
  readonly #pollMs: number;
  readonly #members = new Map<string, MemberState>();
  readonly #listeners = new Set<(ring: Ring) => void>();
  #ring = Ring.empty;
  #fingerprint = '';
  /** Monotonic time at which the ring was computed because of a change. */
  #rebuiltMs = Number.NEGATIVE_INFINITY;
  #rebuilding: TimerHandle | undefined;
  #polling: Promise<void> | undefined;
  /** Another read was requested during the present one. */
  #isStale = false;
  /** Milliseconds during which the store has accepted writes. */
  #reachedMs = 0;
  /** Milliseconds during which the store has answered since its last accepted write. */
  #answeredMs = 0;
  #lastContactMs: number | undefined;
  #stopWatching: (() => void) | undefined;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  constructor(options: RingViewOptions) {
    this.#options = options;
    this.#heartbeatTimeoutMs = options.heartbeatTimeoutMs ?? 60_000;
    this.#pollMs = options.pollMs ?? 5_000;
  }

  /** Begins to watch. Resolves after the first attempt to read the store, whether or not it answered. */
  async start(): Promise<void> {
    this.#stopWatching = this.#options.store.watch(this.#options.key, (news) => {
      if (news) this.#learn(news);
      else void this.#poll();
    });
    await this.#poll();
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopWatching?.();
    this.#timer?.cancel();
    this.#rebuilding?.cancel();
    this.#listeners.clear();
  }

  /** The present ring, from the last read or message. */
  get ring(): Ring {
    return this.#ring;
  }

  /**
   * Calls back with the ring now and after each change other than heartbeats; returns a function that ends
   * the subscription.
   */
  onChange(listener: (ring: Ring) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#ring);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Milliseconds without a heartbeat of a member while the store accepted writes; 0 for an unknown member.
   */
  silentMs(id: string): number {
    const members = this.#members.get(id);
    return members ? this.#reachedMs - Math.max(members.heardMs, members.firstSeenMs) : 0;
  }

  /** Reads all entries, now and periodically. */
  #poll(): Promise<void> {
    if (this.#polling) {
      this.#isStale = true;
      return this.#polling;
    }
    this.#timer?.cancel();
    this.#polling = this.#read().finally(() => {
      this.#polling = undefined;
      if (this.#isStopped) return;
      const delayMs = this.#isStale ? 0 : this.#pollDelayMs();
      this.#isStale = false;
      this.#timer = this.#options.timers.after(delayMs, () => void this.#poll());
    });
    return this.#polling;
  }

  #pollDelayMs(): number {
    const byMembersMs = Math.min(this.#members.size * pollMsPerMember, this.#heartbeatTimeoutMs / 4);
    return Math.max(this.#pollMs, byMembersMs);
  }

  async #read(): Promise<void> {
    try {
      const entries = await this.#options.store.entries(this.#options.key);
      this.#contact();
      this.#observe(entries);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger?.warn('the ring store does not answer; the last ring stays in force', {
        err: reason,
      });
      this.#lastContactMs = undefined;
    }
  }

  /** Counts the time since the store's last answer, unless the store was unavailable in between. */
  #contact(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#lastContactMs !== undefined) {
      // A process that was paused has received no heartbeats: at most one interval between polls counts.
      this.#answeredMs += Math.min(nowMs - this.#lastContactMs, 2 * this.#pollDelayMs());
      const writtenMs = this.#options.lastWriteMs?.();
      if (writtenMs !== undefined && writtenMs > this.#lastContactMs) this.#countTime();
    }
    this.#lastContactMs = nowMs;
  }

  /**
   * The store accepts writes. After a long refusal members get time for a heartbeat before any counts as
   * dead.
   */
  #countTime(): void {
    this.#reachedMs += Math.min(this.#answeredMs, this.#heartbeatTimeoutMs / 2);
    this.#answeredMs = 0;
  }

  #observe(entries: ReadonlyMap<string, string>): void {
    if (this.#isStopped) return;
    if (entries.size > instancesMax) {
      this.#options.logger?.error('the ring store holds no ring; the last one stays in force', {
        key: this.#options.key,
        members: entries.size,
      });
      return;
    }
    for (const [id, entry] of entries) this.#hearEntry(id, entry);
    for (const id of this.#members.keys()) if (!entries.has(id)) this.#miss(id);
    this.#publish();
  }

  #learn(news: RingNews): void {
    if (this.#isStopped) return;
    for (const [id, entry] of news) {
      if (entry === undefined) this.#miss(id);
      else if (this.#members.size < instancesMax || this.#members.has(id)) this.#hearEntry(id, entry);
    }
    const pauseMs = Math.max(0, this.#members.size - promptMembersMax) * rebuildMsPerMember;
    const waitMs = this.#rebuiltMs + pauseMs - this.#options.clock.monotonicMs();
    if (waitMs <= 0) this.#publish();
    else this.#rebuilding ??= this.#options.timers.after(waitMs, () => this.#publish());
  }

  #hearEntry(id: string, entry: string): void {
    const instance = decodeInstance(id, entry);
    if (instance) this.#hear(instance);
    else {
      this.#options.logger?.error('the ring store holds an entry that is no member', {
        key: this.#options.key,
        id,
      });
    }
  }

  /** The store no longer has an entry of this member. */
  #miss(id: string): void {
    const members = this.#members.get(id);
    if (members && (members.instance.state === 'LEAVING' || !this.#isHealthy(members))) {
      this.#members.delete(id);
    }
  }

  #hear(instance: RingInstance): void {
    const members = this.#members.get(instance.id);
    if (!members) {
      this.#countTime();
      // The age of a new member is known only by the member's own clock; its next heartbeat corrects a wrong
      // one.
      const ageMs = Math.abs(this.#options.clock.nowMs() - instance.heartbeatMs);
      const heardMs = ageMs <= this.#heartbeatTimeoutMs ? this.#reachedMs : Number.NEGATIVE_INFINITY;
      this.#members.set(instance.id, { instance, firstSeenMs: this.#reachedMs, heardMs });
      return;
    }
    const isSame = instance.incarnation === members.instance.incarnation;
    // A store that was restored from a backup has old entries; the member's next heartbeat corrects them.
    if (isSame && instance.beat < members.instance.beat) return;
    const isNews = !isSame || instance.beat > members.instance.beat;
    members.instance = instance;
    if (!isNews) return;
    this.#countTime();
    members.heardMs = this.#reachedMs;
  }

  #isHealthy(members: MemberState): boolean {
    return this.#reachedMs - members.heardMs <= this.#heartbeatTimeoutMs;
  }

  #publish(): void {
    this.#rebuilding?.cancel();
    this.#rebuilding = undefined;
    const observed = [...this.#members.values()].map((members) => ({
      ...members.instance,
      isHealthy: this.#isHealthy(members),
    }));
    const fingerprint = JSON.stringify(
      observed
        .map(({ id, address, zone, state, readOnly, tokens, isHealthy, incarnation }) =>
          [
            id,
            address,
            zone,
            state,
            readOnly,
            isHealthy,
            incarnation,
            tokens.length,
            tokens[0],
            tokens.at(-1),
          ].join('\0'),
        )
        .sort(),
    );
    const isChanged = fingerprint !== this.#fingerprint;
    this.#fingerprint = fingerprint;
    this.#ring = new Ring(observed, isChanged ? undefined : this.#ring);
    if (isChanged) this.#rebuiltMs = this.#options.clock.monotonicMs();
    if (isChanged) for (const listener of this.#listeners) listener(this.#ring);
  }
}
