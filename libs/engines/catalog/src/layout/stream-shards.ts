/** Shards of hot streams, agreed over the object store: step *shard* of a written line. */
import type { Clock, Logger, ObjectStore, Timers } from '@loki/ports';
import { NumberedLog } from '../logs/numbered-log.ts';
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
   * Seconds of row time between the request for a step and its begin, where other distributors have to read
   * the step first. Default 60.
   */
  readonly leadSecondsShared?: number;
  /**
   * How often the log is read where there are other distributors; a fraction of `leadSecondsShared`. Default
   * 10 s.
   */
  readonly refreshMs?: number;
}

/**
 * Duration of a step, in row time. A stream that is hot all day adds four steps a day; a stream that was hot
 * once returns to one partition.
 */
const stepSeconds = 6 * 3_600;
/** A stream that is still hot gets its next step this long before the end of the present one. */
const renewBeforeSeconds = 600;

/**
 * Seconds of row time between the request for a step and its begin: the store must have acknowledged the step
 * by then.
 */
const leadSeconds = 2;
const leadSecondsSharedDefault = 60;
const refreshMsDefault = 10_000;

/** Pause after a failure of the store. */
const retryMs = 500;
/** Bound of one attempt, well below `leadSecondsShared`. */
const attemptMs = 10_000;
/** Maximum wait of a push for a read of the log. */
const waitMs = 5_000;
/**
 * Maximum of streams whose step waits for the store; other streams request theirs again with their next push.
 */
const wantedMax = 10_000;

/**
 * The number of partitions for the rows of a hot stream, by row time: a log of steps in the object store
 * (`catalog/stream-shards/`), the same for all distributors and after restarts.
 *
 * A row is placed by its own timestamp and the steps, and a step begins after all rows that were placed
 * without it. A repeated row therefore goes to the same partition, which removes the repeat.
 */
export class StreamShards {
  readonly #options: StreamShardsOptions;
  readonly #state = new StreamShardsState();
  readonly #log: NumberedLog<ShardManifest>;
  readonly #stop = new AbortController();
  readonly #requests = new Map<number, ShardStep>();
  /** Corrections of steps that the store acknowledged after their begin. */
  readonly #corrections = new Map<number, ShardStep>();
  #isStarted = false;
  #isWriting = false;
  /** Start of the last successful read. */
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

  /** Reads the log, and follows it. @throws the store's error */
  async start(signal?: AbortSignal): Promise<void> {
    const beganMs = this.#options.clock.monotonicMs();
    await this.#log.load(signal);
    this.#readMs = beganMs;
    // Steps from before this process's start hold, also those under this writer's name.
    this.#state.substitute = (step, writer) => this.#substitute(step, writer);
    this.#isStarted = true;
    this.#follow().catch(() => undefined); // stopped while it slept
  }

  close(): void {
    this.#stop.abort();
  }

  /**
   * Waits for a read of the log when the last one is too old, for example after a pause of the process: a
   * step that this process has not read may have begun. undefined: no wait is needed. While the store fails
   * no push waits, because a lost line is worse than a repeated one.
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
   * Requests `shards` partitions for a fast stream. Costs a lookup of its steps; the store is written in the
   * background.
   *
   * @param newestSeconds row time of the stream's newest row in this process
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
        // Corrections have a manifest of their own, without a writer: readers apply them unchanged.
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
   * Drops the requests of steps that an attempt with a lost answer has added, or whose begin has passed.
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
   * The store acknowledged a step of this process so late that rows after its begin may have been placed
   * without it: the former number of partitions stays.
   */
  #substitute(step: ShardStep, writer: string): ShardStep {
    if (writer !== this.#options.writer || step.fromSeconds > this.#nowSeconds()) return step;
    const correction = this.#state.withoutStep(step);
    this.#corrections.set(step.placement, correction);
    this.#write();
    return correction;
  }

  /** A single distributor has no other writers to read from. */
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
