/** Evaluates one rule group at each of its ticks: the middle of the story of a rule. */
import { LokiError, nsPerMs } from '@loki/model';
import type { LabelPair, Semaphore, TenantId } from '@loki/model';
import type { Clock, Logger, Timers, Workers } from '@loki/ports';
import type { RulerMetrics } from '@loki/telemetry';
import { nextAlerts, takeAlertsToSend } from './alert-rule.ts';
import type { Alert } from './alert-rule.ts';
import type { AlertStateStore } from './alert-state-store.ts';
import { RuleError, RuleLimitError, labelsKey, notVectorText } from './evaluate.ts';
import type { EvaluateRule, RuleSample } from './evaluate.ts';
import { raiseAlerts } from './expand-alerts.ts';
import { firstTickMs, tickAfter } from './group-schedule.ts';
import { Pool, freshStatus, restoreAlerts, identityOf, lastingPart } from './group-status.ts';
import type { GroupStatus, RuleStatus } from './group-status.ts';
import { alertSeries, recordedSamples, staleSamples } from './recording-rule.ts';
import type { SeriesSample } from './recording-rule.ts';
import { groupKey, groupToken } from './rule-group.ts';
import type { PlacedGroup } from './rule-group.ts';

export interface GroupRunnerOptions {
  readonly evaluationIntervalMs: number;
  readonly resendDelayMs: number;
  readonly forOutageToleranceMs: number;
  readonly forGracePeriodMs: number;
  readonly externalLabels: readonly LabelPair[];
  readonly externalUrl: string;
  /** Path of rule files, a part of the names of groups in metrics. */
  readonly rulePath: string;
}

export interface GroupRunnerDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: RulerMetrics;
  readonly evaluate: EvaluateRule;
  /** Threads that expand the templates of alerts. */
  readonly workers: Workers;
  readonly states: AlertStateStore;
  /** Bounds parallel evaluations over all groups. */
  readonly semaphore: Semaphore;
  sendAlerts(tenant: TenantId, alerts: readonly Alert[], expr: string): void;
  /** Resolves when the samples are stored, or given up and counted. */
  writeSeries(tenant: TenantId, samples: readonly SeriesSample[]): Promise<void>;
}

/**
 * Longest time between two saves of pending or firing alerts, so that a later owner knows when evaluations
 * ended.
 */
const saveEveryMs = 60_000;

/** Evaluates one group at each tick. */
export class GroupRunner implements GroupStatus {
  readonly placed: PlacedGroup;
  readonly rules: readonly RuleStatus[];
  readonly intervalMs: number;
  lastEvaluationMs: number | undefined;
  evaluationSeconds = 0;
  readonly #deps: GroupRunnerDeps;
  readonly #options: GroupRunnerOptions;
  readonly #token: number;
  readonly #stop = new AbortController();
  readonly #labels: { readonly user: string; readonly rule_group: string };
  #running: Promise<void> = Promise.resolve();
  /** The last saved state, without times that change with every evaluation. */
  #savedState = '';
  #savedAtMs = 0;
  #isRestored = false;

  /** @param before the runner of the group's former version: unchanged rules keep their state */
  constructor(placed: PlacedGroup, deps: GroupRunnerDeps, options: GroupRunnerOptions, before?: GroupRunner) {
    const { tenant, namespace, group } = placed;
    this.placed = placed;
    this.#deps = deps;
    this.#options = options;
    this.intervalMs = group.intervalMs || options.evaluationIntervalMs;
    this.#token = groupToken(groupKey(tenant, namespace, group.name));
    this.#labels = { user: tenant, rule_group: `${options.rulePath}/${tenant}/${namespace};${group.name}` };
    const previous = new Pool(before?.rules.map((status) => [identityOf(status.rule), status]) ?? []);
    this.rules = group.rules.map((rule) => {
      const same = previous.take(identityOf(rule));
      return same ? { ...same, rule } : freshStatus(rule);
    });
    if (before) {
      this.#isRestored = before.#isRestored;
      this.#savedState = before.#savedState;
      this.#savedAtMs = before.#savedAtMs;
    }
  }

  start(): void {
    this.#deps.metrics.groupRules(this.#labels, this.rules.length);
    this.#running = this.#run(this.#stop.signal);
  }

  /** Ends evaluations; resolves when none runs. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Removes the saved state after `stop`, when the group was deleted. */
  async forget(): Promise<void> {
    const { tenant, namespace, group } = this.placed;
    const { states, metrics, clock, logger } = this.#deps;
    metrics.groupGone(this.#labels);
    const none = new Map<string, readonly LabelPair[]>();
    const stale = this.rules.flatMap((status) => staleSamples(status.series, none, clock.nowMs()));
    if (stale.length > 0) await this.#deps.writeSeries(tenant, stale);
    await states.delete(tenant, namespace, group.name).catch((error: unknown) => {
      // A state that stays is harmless: it is ignored once it is older than for_outage_tolerance.
      logger.warn('the state of a deleted rule group could not be removed', {
        tenant,
        group: group.name,
        err: String(error),
      });
    });
  }

  /** Saves changes after `stop`, when the process ends or another ruler owns the group. */
  async handOver(): Promise<void> {
    if (this.lastEvaluationMs !== undefined) await this.#save(this.lastEvaluationMs, true);
    this.#deps.metrics.groupGone(this.#labels);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, timers, metrics, semaphore } = this.#deps;
    try {
      // Saved alerts are shown before the first evaluation.
      if (!this.#isRestored) await this.#restore(clock.nowMs(), signal);
      let tickMs = firstTickMs(clock.nowMs(), this.intervalMs, this.#token);
      for (;;) {
        const waitMs = tickMs - clock.nowMs();
        if (waitMs > 0) await timers.sleep(waitMs, signal);
        const atMs = tickMs;
        await semaphore.run(async () => {
          // The group's former owner may have evaluated up to this moment: reads its state again, for the
          // last time.
          const evaluatedAtMs = this.#isRestored ? 0 : await this.#restore(atMs, signal);
          this.#isRestored = true;
          if (evaluatedAtMs < atMs) await this.#evaluate(atMs, signal);
        }, signal);
        const next = tickAfter(tickMs, clock.nowMs(), this.intervalMs, this.#token);
        if (next.missed > 0) metrics.iterationsMissed(this.#labels, next.missed);
        tickMs = next.tickMs;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /**
   * Restores the state that the group's former owner saved, unless it is too old. After an outage pending
   * alerts wait longer; if no tick was missed they continue unchanged.
   *
   * @returns the tick that was evaluated last, 0 if unknown
   */
  async #restore(nowMs: number, signal: AbortSignal): Promise<number> {
    if (!this.rules.some(({ rule }) => rule.kind === 'alert')) return 0;
    const { tenant, namespace, group } = this.placed;
    const { states, logger } = this.#deps;
    try {
      const saved = await states.load(tenant, namespace, group.name, signal);
      if (!saved || nowMs - saved.evaluatedAtMs > this.#options.forOutageToleranceMs) return 0;
      restoreAlerts(this.rules, saved, {
        nowMs,
        intervalMs: this.intervalMs,
        gracePeriodMs: this.#options.forGracePeriodMs,
      });
      return saved.evaluatedAtMs;
    } catch (error) {
      if (signal.aborted) throw error;
      logger.warn('alerts start without their saved state: it cannot be read', {
        tenant,
        namespace,
        group: group.name,
        err: String(error),
      });
      return 0;
    }
  }

  async #evaluate(atMs: number, signal: AbortSignal): Promise<void> {
    const { clock, metrics, logger } = this.#deps;
    const startedMs = clock.monotonicMs();
    const samples: SeriesSample[] = [];
    for (const status of this.rules) {
      signal.throwIfAborted();
      samples.push(...(await this.#evaluateRule(status, atMs, signal)));
    }
    if (samples.length > 0) {
      await this.#deps.writeSeries(this.placed.tenant, samples).catch((error: unknown) => {
        logger.error('recorded samples are lost', { ...this.#labels, err: String(error) });
      });
    }
    this.lastEvaluationMs = atMs;
    await this.#save(atMs, false);
    this.evaluationSeconds = (clock.monotonicMs() - startedMs) / 1000;
    metrics.groupEvaluated(this.#labels, { atMs, seconds: this.evaluationSeconds });
  }

  /** @returns samples for metrics stores */
  async #evaluateRule(status: RuleStatus, atMs: number, signal: AbortSignal): Promise<SeriesSample[]> {
    const { clock, metrics, logger, evaluate } = this.#deps;
    const { rule } = status;
    const { tenant } = this.placed;
    const startedMs = clock.monotonicMs();
    let samples: SeriesSample[] = [];
    metrics.ruleEvaluated(this.#labels);
    try {
      const ruleSamples = await evaluate(tenant, rule.expr, BigInt(atMs) * nsPerMs, signal);
      samples =
        rule.kind === 'alert'
          ? await this.#alert(status, ruleSamples, atMs, signal)
          : this.#record(status, ruleSamples, atMs);
      status.health = 'ok';
      status.lastError = '';
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof RuleLimitError) status.alerts = new Map();
      status.health = 'err';
      metrics.ruleFailed(this.#labels);
      const fields = { ...this.#labels, rule: rule.name, err: String(error) };
      if (error instanceof LokiError || error instanceof RuleError) {
        status.lastError = error.message;
        // A rule with a wrong result type fails at every tick: logged at debug level only.
        logger[error.message === notVectorText ? 'debug' : 'warn']('a rule could not be evaluated', fields);
      } else {
        // An internal error of one rule must not end the others.
        status.lastError = 'internal error';
        logger.error('evaluating a rule failed unexpectedly', fields);
      }
    }
    status.lastEvaluationMs = atMs;
    status.evaluationSeconds = (clock.monotonicMs() - startedMs) / 1000;
    if (status.health === 'err') return [];
    const series = new Map(samples.map(({ labels }) => [labelsKey(labels), labels]));
    const stale = staleSamples(status.series, series, atMs);
    const created = [...series.keys()].filter((key) => !status.series.has(key)).length;
    this.#deps.metrics.seriesCreated(this.placed.tenant, created);
    status.series = series;
    return [...samples, ...stale];
  }

  async #alert(
    status: RuleStatus,
    samples: readonly RuleSample[],
    atMs: number,
    signal: AbortSignal,
  ): Promise<SeriesSample[]> {
    const { rule } = status;
    const { externalLabels, externalUrl, resendDelayMs } = this.#options;
    const { tenant, group } = this.placed;
    const { name, labels, annotations } = rule;
    const raised = await raiseAlerts(
      { rule: { name, labels, annotations }, samples, externalLabels, externalUrl, nowMs: atMs },
      this.#deps.workers,
      signal,
    );
    status.alerts = nextAlerts(rule, status.alerts, raised, { nowMs: atMs, limit: group.limit });
    const due = takeAlertsToSend(status.alerts.values(), atMs, {
      resendDelayMs,
      intervalMs: this.intervalMs,
    });
    if (due.length > 0) this.#deps.sendAlerts(tenant, due, rule.expr);
    return alertSeries(rule, status.alerts.values(), atMs);
  }

  #record({ rule }: RuleStatus, samples: readonly RuleSample[], atMs: number): SeriesSample[] {
    return recordedSamples(rule, samples, { nowMs: atMs, limit: this.placed.group.limit });
  }

  /** @param isLast this runner evaluates no more */
  async #save(evaluatedAtMs: number, isLast: boolean): Promise<void> {
    const { tenant, namespace, group } = this.placed;
    const { clock, states, logger } = this.#deps;
    const saved = this.rules
      .filter(({ alerts }) => alerts.size > 0)
      .map(({ rule, alerts }) => ({ identity: identityOf(rule), alerts: [...alerts.values()] }));
    const state = JSON.stringify(saved.map(({ identity, alerts }) => [identity, alerts.map(lastingPart)]));
    const nowMs = clock.nowMs();
    const isSame = state === this.#savedState || (saved.length === 0 && this.#savedState === '');
    const isFresh = saved.length === 0 || nowMs - this.#savedAtMs < saveEveryMs;
    if (isSame && isFresh && !(isLast && saved.length > 0)) return;
    try {
      // The signal of this runner has already aborted when the last state is saved.
      const signal = isLast ? undefined : this.#stop.signal;
      await states.save({ tenant, namespace, group: group.name }, { evaluatedAtMs, rules: saved }, signal);
      this.#savedState = state;
      this.#savedAtMs = nowMs;
    } catch (error) {
      // The next evaluation tries again, since the state still differs from the saved one.
      if (!this.#stop.signal.aborted) {
        logger.warn('alerts could not be saved', { ...this.#labels, err: String(error) });
      }
    }
  }
}
