/** Prometheus' API for the state of rules and alerts, over all rulers: the end of the story of a rule. */
import { formatFloat } from '@loki/go';
import { LokiError } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';
import { atOnce, inSlices } from '@loki/ports';
import type { Clock, HttpRequest, HttpResponse, SlicedWork, Timers } from '@loki/ports';
import { ruleState } from './alert-rule.ts';
import type { Alert } from './alert-rule.ts';
import { listResponse, timeText } from './api-text.ts';
import { shownExprOf } from './expr-text.ts';
import type { GroupStatus, RuleStatus } from './group-status.ts';
import type { Ruler } from './ruler.ts';

/** Groups in Prometheus' form, as other rulers report theirs. */
export interface RuleApiGroup {
  readonly name: string;
  readonly file: string;
  readonly rules: readonly RuleApiRule[];
  readonly [field: string]: unknown;
}

interface RuleApiRule {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly alerts?: readonly unknown[];
  readonly [field: string]: unknown;
}

/** The other rulers, each of which evaluates some groups of a tenant. */
export interface RulerPeers {
  /** The groups that they evaluate. `isComplete` false: some rulers did not answer. */
  groups(
    tenant: TenantId,
    signal: AbortSignal,
  ): Promise<{ readonly groups: readonly RuleApiGroup[]; readonly isComplete: boolean }>;
  /**
   * Notifies them of changed rules of the tenant. Never rejects: a ruler that missed it sees the change at
   * its next poll.
   */
  rulesChanged(tenant: TenantId): Promise<void>;
}

interface PrometheusRuleApiDeps {
  readonly ruler: Ruler;
  readonly peers?: RulerPeers;
  /** Divides long lists into slices: a tenant may have thousands of rules. Absent: they are made at once. */
  readonly turns?: { readonly clock: Clock; readonly timers: Timers };
}

/** The running groups and their health, in the form of Prometheus' API. */
export class PrometheusRuleApi {
  readonly #deps: PrometheusRuleApiDeps;

  constructor(deps: PrometheusRuleApiDeps) {
    this.#deps = deps;
  }

  /** `/prometheus/api/v1/rules` */
  async rules(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const params = new URLSearchParams(request.queryText);
    const type = typeOf(params.get('type') ?? '');
    const files = new Set(params.getAll('file[]'));
    const names = new Set(params.getAll('rule_group[]'));
    const rules = new Set(params.getAll('rule_name[]'));
    const groups: RuleApiGroup[] = [];
    for (const group of await this.groups(tenant, request.signal)) {
      if ((files.size > 0 && !files.has(group.file)) || (names.size > 0 && !names.has(group.name))) continue;
      const matches = group.rules.filter(
        (rule) => (type === undefined || rule.type === type) && (rules.size === 0 || rules.has(rule.name)),
      );
      if (matches.length > 0 || group.rules.length === 0) groups.push({ ...group, rules: matches });
    }
    return this.#complete(listResponse('groups', groups));
  }

  /** `/prometheus/api/v1/alerts` */
  async alerts(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const groups = await this.groups(tenant, request.signal);
    const alerts = groups.flatMap((group) => group.rules.flatMap((rule) => rule.alerts ?? []));
    return this.#complete(listResponse('alerts', alerts));
  }

  /** The tenant's groups that this ruler evaluates. */
  own(tenant: TenantId): Promise<RuleApiGroup[]> {
    return this.#complete(groupsJson(this.#deps.ruler.running(tenant)));
  }

  /**
   * All groups of a tenant, from all rulers, by file and name. For a ruler that does not answer, its groups
   * are shown as saved.
   */
  async groups(tenant: TenantId, signal: AbortSignal): Promise<RuleApiGroup[]> {
    const { peers, ruler } = this.#deps;
    const groupsByKey = new Map<string, RuleApiGroup>();
    // Two rulers may report a group while it moves: the first report counts.
    const add = (group: RuleApiGroup) => {
      const key = keyOf(group.file, group.name);
      if (!groupsByKey.has(key)) groupsByKey.set(key, group);
    };
    (await this.own(tenant)).forEach(add);
    const others = await peers?.groups(tenant, signal);
    others?.groups.forEach(add);
    if (others?.isComplete === false) {
      const isReported = (file: string, name: string) => groupsByKey.has(keyOf(file, name));
      const saved = await ruler.saved(tenant, isReported, signal);
      (await this.#complete(groupsJson(saved))).forEach(add);
    }
    return [...groupsByKey.values()].sort((a, b) => compare(a.file, b.file) || compare(a.name, b.name));
  }

  #complete<T>(work: SlicedWork<T>): Promise<T> {
    const { turns } = this.#deps;
    return turns ? inSlices(work, turns) : Promise.resolve(atOnce(work));
  }
}

function typeOf(text: string): RuleApiRule['type'] | undefined {
  switch (text.toLowerCase()) {
    case '':
      return undefined;
    case 'alert':
      return 'alerting';
    case 'record':
      return 'recording';
    default:
      throw new LokiError('badRequest', `not supported value ${JSON.stringify(text)}`);
  }
}

/** Groups that a ruler of this or another version reports; malformed ones are skipped. */
export function readRuleGroups(text: string): RuleApiGroup[] {
  const list: unknown = JSON.parse(text);
  return Array.isArray(list) ? list.filter(isRuleGroup) : [];
}

function isRuleGroup(value: unknown): value is RuleApiGroup {
  if (typeof value !== 'object' || value === null) return false;
  const { name, file, rules } = value as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    typeof file === 'string' &&
    Array.isArray(rules) &&
    rules.every((rule) => typeof (rule as RuleApiRule | null)?.name === 'string')
  );
}

/** Unambiguous: a namespace has no slash. */
function keyOf(file: string, name: string): string {
  return `${file}/${name}`;
}

function* groupsJson(groups: readonly GroupStatus[]): SlicedWork<RuleApiGroup[]> {
  const list: RuleApiGroup[] = [];
  for (const group of groups) list.push(yield* groupJson(group));
  return list;
}

function* groupJson(runner: GroupStatus): SlicedWork<RuleApiGroup> {
  const { namespace, group } = runner.placed;
  const rules: RuleApiRule[] = [];
  for (const rule of runner.rules) {
    rules.push(ruleJson(rule));
    yield;
  }
  return {
    name: group.name,
    file: namespace,
    rules,
    interval: runner.intervalMs / 1000,
    limit: group.limit,
    lastEvaluation: timeText(runner.lastEvaluationMs),
    evaluationTime: runner.evaluationSeconds,
  };
}

function ruleJson(status: RuleStatus): RuleApiRule {
  const { rule } = status;
  const labels = objectOf(rule.labels);
  const query = shownExprOf(rule);
  const evaluation = {
    health: status.health,
    lastError: status.lastError,
    type: rule.kind === 'alert' ? ('alerting' as const) : ('recording' as const),
    lastEvaluation: timeText(status.lastEvaluationMs),
    evaluationTime: status.evaluationSeconds,
  };
  if (rule.kind === 'record') return { name: rule.name, query, labels, ...evaluation };
  const active = [...status.alerts.values()].filter(({ state }) => state !== 'inactive');
  return {
    state: ruleState(active),
    name: rule.name,
    query,
    duration: rule.forMs / 1000,
    labels,
    annotations: objectOf(rule.annotations),
    alerts: active.map(alertJson),
    ...evaluation,
  };
}

function alertJson(alert: Alert): unknown {
  return {
    labels: objectOf(alert.labels),
    annotations: objectOf(alert.annotations),
    state: alert.state,
    activeAt: timeText(alert.activeAtMs),
    value: formatFloat(alert.value, 'e', -1),
  };
}

/** Without a prototype: `__proto__` is a valid label name. */
function objectOf(pairs: readonly LabelPair[]): Record<string, string> {
  const object = Object.create(null) as Record<string, string>;
  for (const [name, value] of pairs) object[name] = value;
  return object;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
