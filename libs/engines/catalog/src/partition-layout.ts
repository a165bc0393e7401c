/** The number of partitions, agreed over the object store: steps *shard*, *consume* and *select*. */
import { LokiError } from '@loki/model';
import type { Clock, Logger, ObjectStore, Timers } from '@loki/ports';
import { abortable } from './abortable.ts';
import { NumberedLog } from './numbered-log.ts';
import { LayoutState } from './partition-layout-state.ts';
import type { Layout, LayoutManifest, LayoutStep } from './partition-layout-state.ts';

/** The number of partitions as a role uses it. */
export interface Partitions extends Layout {
  /** Calls `listener` after each change. @returns ends that */
  onChange(listener: () => void): () => void;
  /**
   * For readers: waits until the layout is known as of `staleMs` ago at most. undefined: it is. Rejects with
   * `unavailable` where the store does not tell: an answer without a partition would lack lines.
   */
  current(signal?: AbortSignal): Promise<void> | undefined;
  /**
   * For writers: the same, but goes on without an answer of the store, as lines matter more than repeats.
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
  /** From one stage of a change to the next: all processes know the former one then. Default 60 s. */
  readonly stageMs?: number;
  /** Row time from the last stage to the first row in a new partition. Default 60. */
  readonly leadSeconds?: number;
}

const followMsDefault = 20_000;
const staleMsDefault = 30_000;
const stageMsDefault = 60_000;
const leadSecondsDefault = 60;
/**
 * The log is read after this multiple of `staleMs`, whatever others tell: a minute, as each process must know
 * a stage before the next one.
 */
const netFactor = 2;
/** Bound of one reading or writing, well below a stage. */
const attemptMs = 10_000;
/** A push waits no longer for the layout. */
const waitMs = 5_000;

/** A number of partitions that never changes: those of an embedded log. */
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
 * write to them, rows from a later second on. So each reader knows a partition before its first row, and a
 * reader that has not read the log for half a minute answers no query. A row is placed by its own timestamp,
 * so that the same row goes to the same partition whenever it is sent again, and its repeat is removed there.
 */
export class PartitionLayout implements Partitions {
  readonly #options: PartitionLayoutOptions;
  readonly #state: LayoutState;
  readonly #log: NumberedLog<LayoutManifest>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  /** When the last reading began that succeeded. */
  #readMs = Number.NEGATIVE_INFINITY;
  /** The same, or when the write log was last found to have no partition that is not in use. */
  #knownMs = Number.NEGATIVE_INFINITY;
  /** When this process saw the last change. */
  #changedMs = Number.NEGATIVE_INFINITY;
  /** When another process last told of no later number than the one that is known here. */
  #toldMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #reading: Promise<void> | undefined;

  constructor(options: PartitionLayoutOptions) {
    this.#options = options;
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

  /** Whether the store says how many there are: only then may the log be given more. */
  get isFounded(): boolean {
    return this.#state.number > 0;
  }

  /** Reads the log, and follows it from then on. @throws what the store throws */
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
    const reading = this.#read().catch(() => undefined); // lines matter more than repeats
    return Promise.race([reading, this.#options.timers.sleep(waitMs)]);
  }

  /**
   * Takes the next step towards as many partitions as the log has: writes the present number where the store
   * has none, or the next stage of a change. Called from time to time by each process that writes.
   *
   * @param countedMs when the log was asked for its partitions, on the monotonic clock. Where all of them are
   *   in use there can be no later manifest, and the store is not asked, but for the net.
   * @returns whether there is nothing left to do
   */
  async advance(logPartitions: number, countedMs = Number.NEGATIVE_INFINITY): Promise<boolean> {
    const { clock, logger } = this.#options;
    if (this.#isComplete(logPartitions) && this.#isInNet()) {
      this.#knownMs = Math.max(this.#knownMs, countedMs);
      return true;
    }
    await this.#read();
    const { number } = this.#state;
    const layout = nextLayout(this.#state, logPartitions, {
      hasWaited: clock.monotonicMs() - this.#changedMs >= (this.#options.stageMs ?? stageMsDefault),
      fromSeconds: Math.ceil(clock.nowMs() / 1_000) + (this.#options.leadSeconds ?? leadSecondsDefault),
    });
    if (layout) {
      const make = (next: number): LayoutManifest | undefined =>
        next === number + 1 ? { ...layout, number: next, createdMs: clock.nowMs() } : undefined;
      const added = await this.#log.append(make, this.#signal());
      this.#noticed(number);
      if (added) logger.info('partitions: a change of their number', { ...layout, logPartitions });
    }
    return this.#isComplete(logPartitions);
  }

  #isComplete(logPartitions: number): boolean {
    return this.isFounded && this.steps.at(-1)!.count >= logPartitions;
  }

  /** Whether the store was asked not too long ago, whatever others tell. */
  #isInNet(): boolean {
    return this.#agoMs(this.#readMs) <= netFactor * this.#staleMs;
  }

  /** Whether other processes, or the write log, tell that there is nothing later. */
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
      throw new LokiError('unavailable', 'the object store does not tell how many partitions there are', {
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
    const { number } = this.#state;
    try {
      await this.#log.load(this.#signal());
      this.#readMs = beganMs;
      this.#isFailing = false;
    } catch (error) {
      this.#isFailing = true;
      throw error;
    } finally {
      this.#noticed(number);
    }
  }

  #noticed(numberBefore: number): void {
    if (this.#state.number === numberBefore) return;
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

/** The next stage; undefined: there is none, or the present one is too young. */
function nextLayout(
  { number, layout }: LayoutState,
  logPartitions: number,
  now: { hasWaited: boolean; fromSeconds: number },
): Layout | undefined {
  const { owned, asked, steps } = layout;
  const last = steps.at(-1)!;
  if (number === 0) return layout;
  if (logPartitions > owned) return { owned: logPartitions, asked, steps };
  if (!now.hasWaited) return undefined;
  if (asked < owned) return { owned, asked: owned, steps };
  const isNew = last.count < asked && now.fromSeconds > last.fromSeconds;
  return isNew ? { ...layout, steps: [...steps, { fromSeconds: now.fromSeconds, count: asked }] } : undefined;
}
