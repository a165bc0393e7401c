/** This process as a member of a ring. */
import { LokiError } from '@loki/model';
import type { Clock, Logger, Random, RingStore, TimerHandle, Timers } from '@loki/ports';
import { decodeInstance, encodeInstance } from './instance.ts';
import type { InstanceState, RingInstance } from './instance.ts';
import type { RingView } from './ring-view.ts';
import { tokensOf } from './tokens.ts';

interface RingMemberOptions {
  readonly store: RingStore;
  readonly key: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger?: Logger;
  readonly id: string;
  readonly address: string;
  readonly zone?: string;
  /** Default 5 s. */
  readonly heartbeatMs?: number;
  /** Default 128, as Loki. */
  readonly tokenCount?: number;
  /**
   * The same ring as seen by this process; with `autoForgetMs` it shows which members are silent for too
   * long.
   */
  readonly view?: RingView;
  /** Members that are silent for this long are removed by the first member that notices. Absent: never. */
  readonly autoForgetMs?: number;
  /** Called after each heartbeat that the store acknowledged. */
  readonly onHeartbeat?: () => void;
}

/** A process of the same id without a heartbeat for this many intervals counts as dead. */
const silentBeatsMax = 2.5;
/** Attempts to remove an entry whose member may write it meanwhile. */
const removalsMax = 3;

/**
 * This process as a member of a ring: registers, sends heartbeats, leaves.
 *
 * The process holds the state; the store only publishes it. A store that was unavailable, emptied or restored
 * from a backup receives the state again with the next heartbeat, and the process's work does not depend on
 * the store.
 *
 * Of two processes with one id the later one owns the entry: this process does not remove a successor that
 * started before it ended. It takes the entry back when the other process is silent.
 */
export class RingMember {
  readonly #options: RingMemberOptions;
  readonly #heartbeatMs: number;
  #self: RingInstance;
  /** The incarnation whose entry this process took over. */
  #predecessor: string | undefined;
  /** The process that took over this one's entry, and the monotonic time of its last heartbeat. */
  #successor: { readonly incarnation: string; readonly beat: number; readonly heardMs: number } | undefined;
  #timer: TimerHandle | undefined;
  #isStopped = false;
  /** The store has not acknowledged the last change of state. */
  #isUntold = false;

  constructor(options: RingMemberOptions) {
    this.#options = options;
    this.#heartbeatMs = options.heartbeatMs ?? 5_000;
    const nowMs = options.clock.nowMs();
    this.#self = {
      id: options.id,
      address: options.address,
      zone: options.zone ?? '',
      state: 'PENDING',
      readOnly: false,
      tokens: tokensOf(options.id, options.tokenCount),
      incarnation: Buffer.from(options.random.bytes(8)).toString('hex'),
      beat: 0,
      heartbeatMs: nowMs,
      registeredMs: nowMs,
    };
  }

  get state(): InstanceState {
    return this.#self.state;
  }

  /**
   * Registers as JOINING and starts heartbeats. Resolves when the store has acknowledged, or has not
   * answered.
   */
  async start(): Promise<void> {
    await this.#become({ state: 'JOINING' });
    this.#scheduleBeat();
  }

  /** Becomes ACTIVE: other processes may use this one. */
  async activate(): Promise<void> {
    await this.#become({ state: 'ACTIVE' });
  }

  get instance(): RingInstance {
    return this.#self;
  }

  /** While true, other processes take over this one's ownership, as if it had left; false gives it back. */
  async setReadOnly(readOnly: boolean): Promise<void> {
    if (readOnly === this.#self.readOnly) return;
    await this.#become({ readOnly, readOnlyMs: this.#options.clock.nowMs() });
  }

  /** Becomes LEAVING: other processes take over its ownership. Heartbeats continue until `stop`. */
  async leave(): Promise<void> {
    await this.#become({ state: 'LEAVING' });
  }

  /**
   * Ends the heartbeats, and removes the entry. `unregister: false` keeps the entry and its ownership, for a
   * restart.
   */
  async stop(options?: { unregister?: boolean }): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    if (options?.unregister === false) return;
    const { id, incarnation } = this.#self;
    // A successor may have registered under the same id already.
    await this.#attempt(() => this.#remove(id, (stored) => stored.incarnation === incarnation));
  }

  /** Removes another member's entry, when an operator states that it will not come back. */
  async forget(id: string): Promise<void> {
    await this.#remove(id, () => true);
  }

  async #become(change: Partial<Pick<RingInstance, 'state' | 'readOnly' | 'readOnlyMs'>>): Promise<void> {
    this.#self = { ...this.#self, ...change };
    this.#isUntold = true;
    await this.#beat();
  }

  #scheduleBeat(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.timers.after(this.#heartbeatMs, () => {
      void this.#beat().then(() => this.#scheduleBeat());
    });
  }

  async #beat(): Promise<void> {
    const isWritten = await this.#attempt(async () => {
      const { store, key, clock } = this.#options;
      const { id } = this.#self;
      const stored = this.#decode(id, await store.get(key, id));
      if (this.#isStopped) return false;
      if (stored && this.#self.beat === 0) {
        // An operator's decision (`isReadOnly`) outlives the process.
        const { registeredMs, readOnly, readOnlyMs } = stored;
        this.#self = { ...this.#self, registeredMs, readOnly, readOnlyMs };
        this.#predecessor = stored.incarnation;
      } else if (stored && this.#isSuccessors(stored)) return false;
      const isNews = this.#isUntold;
      this.#isUntold = false;
      this.#self = { ...this.#self, beat: this.#self.beat + 1, heartbeatMs: clock.nowMs() };
      try {
        await store.put({ key, id, value: encodeInstance(this.#self), isNews });
      } catch (error) {
        this.#isUntold ||= isNews;
        throw error;
      }
      await this.#forgetSilent();
      return true;
    });
    if (isWritten) this.#options.onHeartbeat?.();
  }

  /** Whether the entry belongs to a live process with the same id that started later. */
  #isSuccessors({ id, address, incarnation, beat }: RingInstance): boolean {
    if (incarnation === this.#self.incarnation || incarnation === this.#predecessor) {
      this.#successor = undefined;
      return false;
    }
    const nowMs = this.#options.clock.monotonicMs();
    const successor = this.#successor;
    if (successor?.incarnation !== incarnation || successor.beat !== beat) {
      if (successor?.incarnation !== incarnation) {
        this.#options.logger?.error('another process has the same instance id, and is in the ring', {
          id,
          address,
        });
      }
      this.#successor = { incarnation, beat, heardMs: nowMs };
      return true;
    }
    return nowMs - successor.heardMs <= silentBeatsMax * this.#heartbeatMs;
  }

  async #forgetSilent(): Promise<void> {
    const { view, autoForgetMs, logger } = this.#options;
    if (!view || autoForgetMs === undefined) return;
    for (const { id, incarnation, beat } of view.ring.instances) {
      if (id === this.#self.id || view.silentMs(id) <= autoForgetMs) continue;
      // A newer heartbeat, which the view has not received yet, proves that the member lives.
      const isSilent = (stored: RingInstance) => stored.incarnation === incarnation && stored.beat <= beat;
      if (await this.#remove(id, isSilent)) {
        logger?.warn('ring: removed a member that was silent for too long', { id });
      }
    }
  }

  /** Logs a failure of the store; the next heartbeat tries again. False: no write. */
  async #attempt(work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger?.warn('ring: a change could not be written to the ring store', {
        key: this.#options.key,
        err: reason,
      });
      return false;
    }
  }

  /** False: no such entry. Removes an unreadable entry, too. */
  async #remove(id: string, mayGo: (stored: RingInstance) => boolean): Promise<boolean> {
    const { store, key } = this.#options;
    for (let attempt = 0; attempt < removalsMax; attempt++) {
      const entry = await store.get(key, id);
      const stored = this.#decode(id, entry);
      if (entry === undefined || (stored && !mayGo(stored))) return false;
      if (await store.remove(key, id, entry)) return true;
    }
    throw new LokiError('unavailable', `ring ${key}: ${id} kept writing first`);
  }

  #decode(id: string, entry: string | undefined): RingInstance | undefined {
    return entry === undefined ? undefined : decodeInstance(id, entry);
  }
}
