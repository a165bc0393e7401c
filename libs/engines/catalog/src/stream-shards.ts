/** Shards of hot streams, agreed over the object store: step *shard* of a written line. */
import type { Clock, Logger, ObjectStore, Timers } from '@loki/ports';
import { NumberedLog } from './numbered-log.ts';
import { StreamShardsState } from './stream-shards-state.ts';
import type { ShardManifest, ShardStep } from './stream-shards-state.ts';

interface StreamShardsOptions {
  readonly objectStore: ObjectStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** This process in the log. */
  readonly writer: string;
  /** Distributors, this one included. */
  readonly healthyDistributors: () => number;
  /**
   * Row time between the moment a step is wanted and its begin, where other distributors must have read it
   * before. Default 60.
   */
  readonly leadSecondsShared?: number;
  /**
   * How often the log is read where there are other distributors; a fraction of `leadSecondsShared`. Default
   * 10 s.
   */
  readonly refreshMs?: number;
}

/**
 * How long a step holds, in row time. A stream that is hot all day adds four a day; one that was hot once
 * goes home.
 */
const stepSeconds = 6 * 3_600;
/** Before its end a step is followed by the next one. */
const renewBeforeSeconds = 600;

/** Row time between the moment a step is wanted and its begin: the store has to take it before. */
const leadSeconds = 2;
const leadSecondsSharedDefault = 60;
const refreshMsDefault = 10_000;

/** A store that fails is asked again after this. */
const retryMs = 500;
/** Bound of one attempt, well below `leadSecondsShared`. */
const attemptMs = 10_000;
/** A push waits no longer for what this process should have read. */
const waitMs = 5_000;
/** Streams that wait for the store; the others want again with their next push. */
const wantedMax = 10_000;

/**
 * Says to how many partitions the rows of a hot stream go, by row time: a log of steps in the object store
 * (`catalog/stream-shards/`), the same for all distributors and after their restarts.
 *
 * A row is placed by its own timestamp and the steps, and a step begins after all rows that were placed
 * without it. The same row therefore goes to the same partition whenever it is sent again, where its repeat
 * is seen and removed.
 */
export class StreamShards {
  readonly #options: StreamShardsOptions;
  readonly #state = new StreamShardsState();
  readonly #log: NumberedLog<ShardManifest>;
  readonly #stop = new AbortController();
  readonly #requests = new Map<number, ShardStep>();
  /** Corrections of steps that the store took when they should have begun already. */
  readonly #corrections = new Map<number, ShardStep>();
  #isStarted = false;
  #isWriting = false;
  /** When the last reading began that succeeded. */
  #readMs = 0;
  #isFailing = false;
  #reading: Promise<void> | undefined;

  constructor(options: StreamShardsOptions) {
    this.#options = options;
    this.#log = new NumberedLog({
      objectStore: options.objectStore,
      state: this.#state,
      manifestPrefix: 'catalog/stream-shards/',
      checkpointPrefix: 'catalog/stream-shards-checkpoints/',
      checkpointEvery: 64,
    });
  }

  /** Reads the log, and follows it from then on. @throws what the store throws */
  async start(signal?: AbortSignal): Promise<void> {
    const beganMs = this.#options.clock.monotonicMs();
    await this.#log.load(signal);
    this.#readMs = beganMs;
    // Steps from before this process hold, also those that our writer's name added.
    this.#state.substitute = (step, writer) => this.#substitute(step, writer);
    this.#isStarted = true;
    this.#follow().catch(() => undefined); // stopped while it slept
  }

  close(): void {
    this.#stop.abort();
  }

  /**
   * Waits for the log when this process, paused for instance, has not read it lately and may not know a step
   * that has begun. undefined: nothing to wait for. While the store fails no push waits, because lines matter
   * more than repeats.
   */
  caughtUp(): Promise<void> | undefined {
    const { clock, healthyDistributors, timers } = this.#options;
    const isStale = clock.monotonicMs() - this.#readMs > (this.#leadSecondsShared() * 1_000) / 2;
    if (!isStale || this.#isFailing || healthyDistributors() <= 1) return undefined;
    return Promise.race([this.#read(), timers.sleep(waitMs)]);
  }

  /** Steps of a stream, ascending; undefined: its rows go to one partition. */
  of(placement: number): readonly ShardStep[] | undefined {
    return this.#state.steps.size === 0 ? undefined : this.#state.steps.get(placement);
  }

  /**
   * A stream grows so fast that it should have `shards`. Costs a look at its steps; the store is asked in the
   * background.
   *
   * @param newestSeconds of the stream's newest row, as far as this process knows
   */
  want(placement: number, shards: number, newestSeconds: number): void {
    if (!this.#isStarted || this.#requests.size >= wantedMax) return;
    const last = this.#state.steps.get(placement)?.at(-1);
    const isEnding = last !== undefined && newestSeconds >= last.untilSeconds - renewBeforeSeconds;
    if (last && last.shards >= shards && !isEnding) return;
    if (this.#requests.has(placement)) return;
    const fromSeconds = Math.max(this.#nowSeconds(), newestSeconds + 1) + this.#leadSeconds();
    if (last && fromSeconds <= last.fromSeconds) return;
    const untilSeconds = fromSeconds + stepSeconds;
    this.#requests.set(placement, { placement, fromSeconds, untilSeconds, shards });
    this.#write();
  }

  #write(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    void this.#writeAll().finally(() => {
      this.#isWriting = false;
    });
  }

  async #writeAll(): Promise<void> {
    const { clock, timers, writer, logger } = this.#options;
    const { signal } = this.#stop;
    while (this.#requests.size + this.#corrections.size > 0 && !signal.aborted) {
      try {
        // Corrections by themselves: who reads them has no reason to doubt them.
        const isCorrecting = this.#corrections.size > 0;
        const waiting = isCorrecting ? this.#corrections : this.#requests;
        const make = (number: number): ShardManifest | undefined => {
          this.#dropDone();
          const steps = [...waiting.values()];
          const manifest = { number, createdMs: clock.nowMs(), writer: isCorrecting ? '' : writer, steps };
          return steps.length > 0 ? manifest : undefined;
        };
        const added = await this.#log.append(make, AbortSignal.any([signal, this.#deadline()]));
        for (const step of added?.steps ?? []) {
          if (waiting.get(step.placement) === step) waiting.delete(step.placement);
          if (!isCorrecting) logger.info('stream sharded', { ...step });
        }
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('stream shards: the object store did not accept a step', { err: String(error) });
        await timers.sleep(retryMs, signal).catch(() => undefined); // aborted: the loop ends
      }
    }
  }

  /**
   * A step that an attempt added whose answer was lost, or that should have begun already, is wanted no more.
   */
  #dropDone(): void {
    const nowSeconds = this.#nowSeconds();
    for (const [placement, step] of this.#requests) {
      const last = this.#state.steps.get(placement)?.at(-1);
      const isThere = last !== undefined && last.fromSeconds >= step.fromSeconds;
      if (isThere || step.fromSeconds <= nowSeconds + 1) this.#requests.delete(placement);
    }
  }

  /**
   * The store took a step of ours so late that rows behind its begin may have been placed without it: what
   * held before goes on to hold.
   */
  #substitute(step: ShardStep, writer: string): ShardStep {
    if (writer !== this.#options.writer || step.fromSeconds > this.#nowSeconds()) return step;
    const correction = this.#state.withoutStep(step);
    this.#corrections.set(step.placement, correction);
    this.#write();
    return correction;
  }

  /** Alone there is nothing to learn: what this process added it knows. */
  async #follow(): Promise<never> {
    const { timers, healthyDistributors, refreshMs = refreshMsDefault } = this.#options;
    for (;;) {
      await timers.sleep(refreshMs, this.#stop.signal);
      if (healthyDistributors() > 1) await this.#read();
    }
  }

  /** Never rejects; one reading at a time. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const { clock, logger } = this.#options;
    const beganMs = clock.monotonicMs();
    try {
      await this.#log.load(AbortSignal.any([this.#stop.signal, this.#deadline()]));
      this.#readMs = beganMs;
      this.#isFailing = false;
    } catch (error) {
      this.#isFailing = true;
      if (!this.#stop.signal.aborted) logger.warn('stream shards cannot be read', { err: String(error) });
    }
  }

  /** Aborts an attempt; from the `Timers` port, so that virtual time counts too. */
  #deadline(): AbortSignal {
    const deadline = new AbortController();
    this.#options.timers.after(attemptMs, () =>
      deadline.abort(new Error('the store did not answer in time')),
    );
    return deadline.signal;
  }

  #leadSeconds(): number {
    return this.#options.healthyDistributors() > 1 ? this.#leadSecondsShared() : leadSeconds;
  }

  #leadSecondsShared(): number {
    return this.#options.leadSecondsShared ?? leadSecondsSharedDefault;
  }

  #nowSeconds(): number {
    return Math.ceil(this.#options.clock.nowMs() / 1_000);
  }
}
