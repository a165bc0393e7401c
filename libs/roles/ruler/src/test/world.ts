/** Helper of ruler tests: rulers over one bucket in virtual time. */
import type { LimitsSource } from '@loki/config';
import { parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Logger } from '@loki/ports';
import { InlineWorkers } from '@loki/runtime';
import { Metrics, rulerMetrics } from '@loki/telemetry';
import { VirtualBucket, VirtualProcess, VirtualScheduler } from '@loki/virtual';
import type { Alert } from '../alert-rule.ts';
import type { EvaluateRule, RuleSample } from '../evaluate.ts';
import { ownsAllRules } from '../owner.ts';
import type { RuleOwner } from '../owner.ts';
import { readGroup } from '../read-yaml.ts';
import type { SeriesSample } from '../recording-rule.ts';
import type { PlacedGroup, RuleGroup } from '../rule-group.ts';
import { ObjectRuleStore } from '../rule-store.ts';
import type { RulerOptions } from '../ruler-deps.ts';
import { Ruler } from '../ruler.ts';
import { checkGroup } from '../validate.ts';

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

export const tenantA: TenantId = parseTenantId('a');

export const rulerOptions: RulerOptions = {
  pollIntervalMs: 60_000,
  evaluationIntervalMs: 60_000,
  resendDelayMs: 60_000,
  forOutageToleranceMs: 3_600_000,
  forGracePeriodMs: 600_000,
  externalLabels: [],
  externalUrl: '',
  rulePath: '/rules',
  enabledTenants: [],
  disabledTenants: [],
};

export interface SentAlert extends Alert {
  readonly tenant: string;
  readonly atMs: number;
}

/** Rulers over one bucket in virtual time, with all sent alerts and samples. */
export class RulerWorld {
  readonly scheduler = new VirtualScheduler(1);
  readonly bucket = new VirtualBucket(this.scheduler.random.fork('bucket'));
  readonly metrics = new Metrics();
  readonly alerts: SentAlert[] = [];
  readonly series: SeriesSample[] = [];
  /** Results of expressions: samples, or an error to throw. */
  readonly results = new Map<string, readonly RuleSample[] | Error>();
  /** Evaluations as `expression@ms`. */
  readonly evaluated: string[] = [];
  /** Duration of an evaluation. */
  evaluationMs = 0;
  readonly process = new VirtualProcess(this.scheduler, 'test');
  readonly store = new ObjectRuleStore(this.bucket.client(this.process), silentLogger);
  #rulers = 0;

  /** A process for a ruler. */
  newProcess(): VirtualProcess {
    return new VirtualProcess(this.scheduler, `ruler-${this.#rulers++}`);
  }

  ruler(
    options: Partial<RulerOptions> = {},
    owner: RuleOwner = ownsAllRules,
    process = this.newProcess(),
  ): Ruler {
    const objects = this.bucket.client(process);
    const evaluate: EvaluateRule = async (_tenant, expr, timeNs, signal) => {
      this.evaluated.push(`${expr}@${timeNs / 1_000_000n}`);
      if (this.evaluationMs > 0) await process.timers.sleep(this.evaluationMs, signal);
      const result = this.results.get(expr) ?? [];
      if (result instanceof Error) throw result;
      return result;
    };
    return new Ruler(
      {
        clock: process.clock,
        timers: process.timers,
        logger: silentLogger,
        metrics: rulerMetrics(this.metrics),
        store: new ObjectRuleStore(objects, silentLogger),
        stateObjects: objects,
        evaluate,
        workers: new InlineWorkers({ objectStore: objects, cache: new Map(), cacheBytesMax: 0 }),
        owner,
        alerts: {
          send: (tenant, alerts) => {
            const atMs = process.clock.nowMs();
            this.alerts.push(...alerts.map((alert) => ({ ...alert, tenant, atMs })));
          },
          forget: () => undefined,
          stop: async () => undefined,
        },
        series: {
          start: async () => undefined,
          write: async (_tenant, samples) => void this.series.push(...samples),
          stop: async () => undefined,
        },
      },
      { ...rulerOptions, ...options },
    );
  }

  do<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work, { eventsMax: 200_000 });
  }

  pass(ms: number): Promise<void> {
    return this.scheduler.run({ untilMs: this.scheduler.nowMs + ms, eventsMax: 2_000_000 });
  }

  get nowMs(): number {
    return this.process.clock.nowMs();
  }

  async put(text: string, namespace = 'ns'): Promise<PlacedGroup> {
    const placed = { tenant: tenantA, namespace, group: groupOf(text) };
    await this.do(this.store.put(tenantA, namespace, placed.group));
    return placed;
  }

  /** A metric's value in the exposition; undefined: no such line. */
  async metric(line: string): Promise<number | undefined> {
    const match = (await this.metrics.text()).split('\n').find((each) => each.startsWith(`${line} `));
    return match === undefined ? undefined : Number(match.slice(line.length + 1));
  }
}

export function groupOf(text: string): RuleGroup {
  return checkGroup(readGroup(text));
}

export function limitsOf(byTenant: Record<string, { groups: number; rules: number }> = {}): LimitsSource {
  return {
    forTenant: (tenant: string) => ({
      rulerMaxRulesPerRuleGroup: byTenant[tenant]?.rules ?? 0,
      rulerMaxRuleGroupsPerTenant: byTenant[tenant]?.groups ?? 0,
    }),
  } as unknown as LimitsSource;
}

export function sample(value: number, labels: Record<string, string> = {}): RuleSample {
  return { labels: Object.entries(labels).sort((a, b) => (a[0] < b[0] ? -1 : 1)), value };
}
