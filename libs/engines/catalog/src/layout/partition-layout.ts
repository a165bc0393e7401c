/** The number of partitions, agreed over the object store: steps *shard*, *consume* and *select*. */
import { LokiError } from '@loki/model';
import type { Clock, Logger, ObjectStore, Timers } from '@loki/ports';
import { abortable } from '../logs/abortable.ts';
import { NumberedLog } from '../logs/numbered-log.ts';
import { LatestClock } from './latest-clock.ts';
import { nextLayout } from './next-layout.ts';
import { LayoutState, isSame } from './partition-layout-state.ts';
import type { Layout, LayoutManifest, LayoutStep } from './partition-layout-state.ts';

/** The number of partitions for one role. */
export interface Partitions extends Layout {
  /** Calls `listener` after each change. @returns ends that */
  onChange(listener: () => void): () => void;
  /**
   * For readers: waits until this process has read the layout within the last `staleMs`. undefined: it has.
   * Rejects with `unavailable` when the store does not answer: without a partition an answer would lack
   * lines.
   */
  current(signal?: AbortSignal): Promise<void> | undefined;
  /**
   * For writers: the same, but resolves also without an answer of the store, because a lost line is worse
   * than a repeated one.
   */
  caughtUp(): Promise<void> | undefined;
}

interface PartitionLayoutOptions {
  readonly objectStore: ObjectStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Partitions of a log without changes. */
  readonly count: number;
  /** How often the log is read. Default 20 s. */
  readonly followMs?: number;
  /** A reader that has not read the log for this time reads it first. Default 30 s. */
  readonly staleMs?: number;
  /** Time between two stages of a change, in which every process reads the former one. Default 60 s. */
  readonly stageMs?: number;
  /** Seconds of row time between the last stage and the first row in a new partition. Default 60. */
  readonly leadSeconds?: number;
  /**
   * A writer whose clock is this far ahead of the log's says so in the log. Default 20 s: above the delay of
   * a read, and a step after `leadSeconds` is still `staleMs` away.
   */
  readonly clockToleranceMs?: number;
}

const followMsDefault = 20_000;
const staleMsDefault = 30_000;
const stageMsDefault = 60_000;
const leadSecondsDefault = 60;
const clockToleranceMsDefault = 20_000;
/**
 * The log is read after this multiple of `staleMs` even when other processes report no news: a minute,
 * because each process must read a stage before the next one.
 */
const netFactor = 2;
/** Bound of one reading or writing, well below a stage. */
const attemptMs = 10_000;
/** Maximum wait of a push for the layout. */
const waitMs = 5_000;

/** A fixed number of partitions, for an embedded log: no store, no waits, no changes. */
export function fixedPartitions(count: number): Partitions {
  return {
    owned: count,
    asked: count,
    steps: [{ fromSeconds: 0, count }],
    onChange: () => () => undefined,
    current: () => undefined,
    caughtUp: () => undefined,
  };
}

/**
 * A log of the number of partitions in the object store (`catalog/partition-layout/`).
 *
 * Partitions are added in three stages, a minute apart: ingesters own them; queriers ask them; distributors
 * write rows from a later second on to them. So each reader asks a partition before its first row, and a
 * reader that has not read the log for half a minute answers no query. A row is placed by its own timestamp,
 * so that the same row goes to the same partition whenever it is sent again, and its repeat is removed there.
 *
 * The process that adds the step may have a clock that is behind: rows of the time between were placed by the
 * former number. So the step begins by the latest clock of all distributors: each compares its own with the
 * times of the manifests, and adds a manifest without a change if its own is later. They have the minute
 * before the step for it.
 */
export class PartitionLayout implements Partitions {
  readonly #options: PartitionLayoutOptions & { readonly stageMs: number };
  readonly #state: LayoutState;
  readonly #log: NumberedLog<LayoutManifest>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  /** Start of the last successful read. */
  #readMs = Number.NEGATIVE_INFINITY;
  /** The later of that time and the last check in which all partitions of the write log were in use. */
  #knownMs = Number.NEGATIVE_INFINITY;
  /** Time at which this process saw the last change, or could read the log again. */
  #changedMs = Number.NEGATIVE_INFINITY;
  readonly #latest: LatestClock;
  /** Time of the last message of another process without a later number. */
  #toldMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #reading: Promise<void> | undefined;

  constructor(options: PartitionLayoutOptions) {
    this.#options = { ...options, stageMs: options.stageMs ?? stageMsDefault };
    this.#latest = new LatestClock(options.clock, options.clockToleranceMs ?? clockToleranceMsDefault);
    this.#state = new LayoutState(options.count);
    this.#log = new NumberedLog({
      objectStore: options.objectStore,
      state: this.#state,
      manifestPrefix: 'catalog/partition-layout/',
      checkpointPrefix: 'catalog/partition-layout-checkpoints/',
    });
  }

  get owned(): number {
    return this.#state.layout.owned;
  }

  get asked(): number {
    return this.#state.layout.asked;
  }

  get steps(): readonly LayoutStep[] {
    return this.#state.layout.steps;
  }

  /** For news between processes: a later number is read at once. */
  get shared(): { number(): number; onTold(number: number): void } {
    return {
      number: () => this.#state.number,
      onTold: (number) => {
        // The next round tries a failed reading again.
        if (number > this.#state.number) this.#read().catch(() => undefined);
        else this.#toldMs = this.#options.clock.monotonicMs();
      },
    };
  }

  /** Whether the store has the number: only then may the log get more partitions. */
  get isFounded(): boolean {
    return this.#state.number > 0;
  }

  /** Reads the log, and follows it. @throws the store's error */
  async start(): Promise<void> {
    await this.#read();
    this.#follow().catch(() => undefined); // stopped while it slept
  }

  close(): void {
    this.#stop.abort();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  current(signal?: AbortSignal): Promise<void> | undefined {
    return this.#isStale() ? abortable(this.#readStrictly(), signal) : undefined;
  }

  caughtUp(): Promise<void> | undefined {
    if (!this.#isStale() || this.#isFailing) return undefined;
    const reading = this.#read().catch(() => undefined); // a lost line is worse than a repeated one
    return Promise.race([reading, this.#options.timers.sleep(waitMs)]);
  }

  /**
   * Takes the next step towards the write log's number of partitions: writes the present number where the
   * store has none, or the next stage of a change. Each process that writes calls it periodically.
   *
   * @param countedMs time at which the write log stated its number, on the monotonic clock. When all of its
   *   partitions are in use, no later manifest can exist, and the store is read rarely
   * @returns whether all steps are done
   */
  async advance(logPartitions: number, countedMs = Number.NEGATIVE_INFINITY): Promise<boolean> {
    const { clock, logger } = this.#options;
    if (this.#isComplete(logPartitions) && this.#isInNet()) {
      this.#knownMs = Math.max(this.#knownMs, countedMs);
      return true;
    }
    await this.#read();
    const { number, layout: present } = this.#state;
    const { leadSeconds = leadSecondsDefault } = this.#options;
    const layout = nextLayout(this.#state, logPartitions, {
      hasWaited: this.#agoMs(this.#changedMs) >= this.#options.stageMs,
      fromSeconds: Math.ceil(this.#latest.nowMs() / 1_000) + leadSeconds,
      isClockAhead: this.#latest.isAhead(),
    });
    if (layout) {
      const make = (next: number): LayoutManifest | undefined =>
        next === number + 1 ? { ...layout, number: next, createdMs: clock.nowMs() } : undefined;
      const added = await this.#log.append(make, this.#signal());
      this.#noticed({ number, layout: present });
      if (added) logger.info('partitions: a change of their number', { ...layout, logPartitions });
    }
    return this.#isComplete(logPartitions);
  }

  #isComplete(logPartitions: number): boolean {
    return this.isFounded && this.steps.at(-1)!.count >= Math.max(logPartitions, this.owned);
  }

  /** Whether the last read of the store is recent enough, independent of news. */
  #isInNet(): boolean {
    return this.#agoMs(this.#readMs) <= netFactor * this.#staleMs;
  }

  /** Whether other processes, or the write log, have recently shown that there is no later manifest. */
  #isTold(): boolean {
    return this.#agoMs(Math.max(this.#toldMs, this.#knownMs)) <= this.#staleMs;
  }

  #isStale(): boolean {
    return this.#agoMs(Math.max(this.#readMs, this.#knownMs)) > this.#staleMs;
  }

  #agoMs(timeMs: number): number {
    return this.#options.clock.monotonicMs() - timeMs;
  }

  get #staleMs(): number {
    return this.#options.staleMs ?? staleMsDefault;
  }

  async #readStrictly(): Promise<void> {
    try {
      await this.#read();
    } catch (cause) {
      throw new LokiError('unavailable', 'the number of partitions cannot be read from the object store', {
        cause,
      });
    }
  }

  async #follow(): Promise<never> {
    const { timers, logger, followMs = followMsDefault } = this.#options;
    for (;;) {
      await timers.sleep(followMs, this.#stop.signal);
      if (this.#isInNet() && this.#isTold()) continue;
      await this.#read().catch((error: unknown) => {
        if (!this.#stop.signal.aborted) {
          logger.warn('the number of partitions cannot be read', { err: String(error) });
        }
      });
    }
  }

  /** One reading at a time. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const beganMs = this.#options.clock.monotonicMs();
    const { number, layout } = this.#state;
    try {
      await this.#log.load(this.#signal());
      // After a pause, or an outage of the store, the others get the whole stage once more.
      if (beganMs - this.#readMs > this.#options.stageMs / 2) this.#changedMs = beganMs;
      this.#readMs = beganMs;
      this.#isFailing = false;
    } catch (error) {
      this.#isFailing = true;
      throw error;
    } finally {
      this.#noticed({ number, layout });
    }
  }

  #noticed(before: { number: number; layout: Layout }): void {
    const { number, layout, newestMs } = this.#state;
    if (number === before.number) return;
    this.#latest.learn(newestMs);
    // A manifest that states a clock alone prolongs no stage.
    if (before.number > 0 && isSame(layout, before.layout)) return;
    this.#changedMs = this.#options.clock.monotonicMs();
    for (const listener of this.#listeners) listener();
  }

  /** Ends an attempt; from the `Timers` port, so that virtual time counts too. */
  #signal(): AbortSignal {
    const deadline = new AbortController();
    this.#options.timers.after(attemptMs, () =>
      deadline.abort(new LokiError('unavailable', 'the object store did not answer in time')),
    );
    return AbortSignal.any([this.#stop.signal, deadline.signal]);
  }
}
