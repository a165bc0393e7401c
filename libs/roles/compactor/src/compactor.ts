/** The rounds of a compactor: drives the story of a stored day. */
import type { TimerHandle } from '@loki/ports';
import type { CompactorMetrics } from '@loki/telemetry';
import { compactDays, inventoryOf } from './compact.ts';
import { dayText } from './day-text.ts';
import type { CompactorDeps } from './deps.ts';
import { planDay, storedBytes } from './plan.ts';
import { RetentionGuard } from './retention-guard.ts';
import { RowRemover } from './row-remover.ts';
import { Sweeper } from './sweeper.ts';

/** State of a compactor, for operators. */
export interface CompactorStatus {
  /** Pending merges, and the bytes that they will read. */
  readonly backlogMerges: number;
  readonly backlogBytes: number;
  /** The days of pending merges: those with the most bytes, at most `waitingDaysMax`. */
  readonly waiting: readonly { readonly tenant: string; readonly day: string; readonly bytes: number }[];
  readonly isRunning: boolean;
  /** The last finished round; absent before the first. */
  readonly lastRound?: { readonly endedMs: number; readonly seconds: number; readonly merges: number };
  /** Since the process started. */
  readonly merges: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly intervalMs: number;
}

const waitingDaysMax = 100;

/** Maintains the store in rounds: merges, removes, sweeps. */
export class Compactor {
  readonly #deps: CompactorDeps;
  readonly #remover: RowRemover;
  readonly #sweeper: Sweeper;
  readonly #guard: RetentionGuard;
  readonly #stopping = new AbortController();
  #timer: TimerHandle | undefined;
  #round: Promise<void> | undefined;
  /** An operator asked for a round of all merges that has not begun. */
  #isMergeRequested = false;
  #lastRound: CompactorStatus['lastRound'];
  #done = { merges: 0, inputBytes: 0, outputBytes: 0 };

  constructor(deps: CompactorDeps) {
    const metrics: CompactorMetrics = {
      ...deps.metrics,
      merged: (merge) => {
        const { merges, inputBytes, outputBytes } = this.#done;
        this.#done = {
          merges: merges + 1,
          inputBytes: inputBytes + merge.inputBytes,
          outputBytes: outputBytes + merge.outputBytes,
        };
        deps.metrics.merged(merge);
      },
    };
    this.#deps = { ...deps, metrics };
    this.#remover = new RowRemover(this.#deps);
    this.#sweeper = new Sweeper(this.#deps);
    this.#guard = new RetentionGuard(this.#deps);
  }

  /**
   * Starts rounds. The first one begins after a random part of the interval, so that compactors do not run in
   * step.
   */
  start(): void {
    this.#deps.metrics.running(this.#sweeps());
    this.#plan(this.#deps.options.intervalMs * this.#deps.random.float());
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the compactor stops'));
    this.#timer?.cancel();
    await this.#round?.catch(() => undefined);
    this.#deps.metrics.running(false);
  }

  /** Runs one round. Failures of a day are logged and counted; the other days continue. */
  runOnce(): Promise<void> {
    if (this.#round) return this.#round;
    const { clock } = this.#deps;
    const [beganMs, mergesBefore] = [clock.monotonicMs(), this.#done.merges];
    this.#round = this.#run().finally(() => {
      this.#round = undefined;
      const seconds = (clock.monotonicMs() - beganMs) / 1000;
      this.#lastRound = { endedMs: clock.nowMs(), seconds, merges: this.#done.merges - mergesBefore };
    });
    return this.#round;
  }

  /**
   * Begins a round that merges all flushed segments, even few and young ones, as soon as the current round
   * ends. Reads and writes the merged segments once: the outputs of an open day are merged again when it
   * closes.
   */
  mergeAll(): void {
    this.#isMergeRequested = true;
    const begin = () => {
      this.#timer?.cancel();
      this.#plan(0);
    };
    if (this.#round) void this.#round.then(begin, begin);
    else begin();
  }

  /** Days with pending merges: the backlog. */
  backlog(): number {
    return this.#waiting().length;
  }

  status(): CompactorStatus {
    const waiting = this.#waiting();
    return {
      backlogMerges: waiting.length,
      backlogBytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
      waiting: waiting.sort((a, b) => b.bytes - a.bytes).slice(0, waitingDaysMax),
      isRunning: this.#round !== undefined || this.#isMergeRequested,
      ...(this.#lastRound ? { lastRound: this.#lastRound } : {}),
      ...this.#done,
      intervalMs: this.#deps.options.intervalMs,
    };
  }

  #waiting(): { tenant: string; day: string; bytes: number }[] {
    const { clock, options } = this.#deps;
    return this.#days().flatMap(([tenant, day]) => {
      const plan = planDay(inventoryOf(this.#deps, tenant, day), clock.nowMs(), options);
      if (!plan) return [];
      const bytes = [...plan.compacted, ...plan.flushed].reduce((sum, each) => sum + storedBytes(each), 0);
      return [{ tenant, day: dayText(day), bytes }];
    });
  }

  #plan(delayMs: number): void {
    if (this.#stopping.signal.aborted) return;
    const planNext = () => this.#plan(this.#deps.options.intervalMs);
    this.#timer = this.#deps.timers.after(delayMs, () => {
      void this.runOnce().then(planNext, planNext);
    });
  }

  async #run(): Promise<void> {
    const { catalog, catchUp, requests, metrics } = this.#deps;
    const { signal } = this.#stopping;
    const isForced = this.#isMergeRequested;
    this.#isMergeRequested = false;
    metrics.running(this.#sweeps());
    await this.#timed(
      (outcome) => metrics.compacted(outcome),
      async () => {
        await (catchUp ? catchUp(signal) : catalog.refresh(signal));
        this.#remover.isWithheld = this.#guard.withholds();
        const works = this.#days().map(([tenant, day]) => {
          return { tenant, day, removals: this.#remover.expiry(tenant).removals };
        });
        const failures = isForced ? await compactDays(this.#deps, works, signal, true) : [];
        failures.push(...(await compactDays(this.#deps, works, signal)));
        for (const { tenant, day, error } of failures) {
          this.#report('a day could not be compacted', error, { tenant, day: dayText(day) });
        }
        metrics.backlog(this.backlog());
        if (failures.length > 0) throw new Error(`${failures.length} days could not be compacted`);
      },
    );
    await this.#timed(
      (outcome) => metrics.retentionApplied(outcome),
      async () => {
        for (const [tenant, day] of this.#days()) await this.#remover.applyRetention(tenant, day, signal);
        if (!this.#deps.options.removesRows) return;
        const loaded = requests?.load(signal);
        await loaded?.then(
          () => metrics.deleteRequestsLoaded(true),
          (error: unknown) => {
            metrics.deleteRequestsLoaded(false);
            throw error;
          },
        );
        await this.#remover.applyDeletes(signal);
      },
    );
    if (this.#sweeps()) {
      await this.#sweeper
        .sweep((tenant) => this.#remover.expiry(tenant).wholeNs, signal)
        .catch((error: unknown) => this.#report('sweeping failed', error, {}));
    }
  }

  /** True on one of several compactors, which then reports itself as Loki's only one. */
  #sweeps(): boolean {
    return this.#deps.sweeps?.() ?? true;
  }

  /** Days of all tenants that this process compacts. */
  #days(): [tenant: string, day: number][] {
    const { catalog, owns } = this.#deps;
    return catalog
      .tenants()
      .flatMap((tenant) => catalog.days(tenant).map((day): [string, number] => [tenant, day]))
      .filter(([tenant, day]) => owns?.(tenant, day) ?? true);
  }

  async #timed(
    count: (outcome: { ok: boolean; seconds: number; nowSeconds: number }) => void,
    work: () => Promise<void>,
  ): Promise<void> {
    const { clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    let ok = true;
    try {
      await work();
    } catch (error) {
      ok = false;
      if (this.#stopping.signal.aborted) throw error;
      this.#report('a round of the compactor failed', error, {});
    }
    count({ ok, seconds: (clock.monotonicMs() - beganMs) / 1000, nowSeconds: clock.nowMs() / 1000 });
  }

  #report(message: string, error: unknown, fields: Record<string, unknown>): void {
    if (this.#stopping.signal.aborted) return;
    const err = error instanceof Error ? error.message : String(error);
    this.#deps.logger.error(message, { ...fields, err });
  }
}
