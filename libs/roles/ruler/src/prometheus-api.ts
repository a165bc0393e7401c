/** Prometheus' API for rules and alerts: their state, over all rulers. */
import { formatFloat } from '@loki/go';
import { LokiError } from '@loki/model';
import type { LabelPair, TenantId } from '@loki/model';
import type { HttpRequest, HttpResponse } from '@loki/ports';
import { ruleState } from './alert-rule.ts';
import type { Alert } from './alert-rule.ts';
import { successResponse, timeText } from './api-text.ts';
import { shownExpr } from './expr-text.ts';
import type { GroupStatus, RuleStatus } from './group-runner.ts';
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

/** The other rulers, each of which runs some of a tenant's groups. */
export interface RulerPeers {
  /** The groups that they run. `isComplete` false: some did not answer. */
  groups(
    tenant: TenantId,
    signal: AbortSignal,
  ): Promise<{ readonly groups: readonly RuleApiGroup[]; readonly isComplete: boolean }>;
  /**
   * Tells them that the tenant's rules are others now. Never rejects: who was not told looks at the next
   * poll.
   */
  rulesChanged(tenant: TenantId): Promise<void>;
}

interface PrometheusRuleApiDeps {
  readonly ruler: Ruler;
  readonly peers?: RulerPeers;
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
      const kept = group.rules.filter(
        (rule) => (type === undefined || rule.type === type) && (rules.size === 0 || rules.has(rule.name)),
      );
      if (kept.length > 0 || group.rules.length === 0) groups.push({ ...group, rules: kept });
    }
    return successResponse({ groups }, 200);
  }

  /** `/prometheus/api/v1/alerts` */
  async alerts(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const groups = await this.groups(tenant, request.signal);
    const alerts = groups.flatMap((group) => group.rules.flatMap((rule) => rule.alerts ?? []));
    return successResponse({ alerts }, 200);
  }

  /** The tenant's groups that run here. */
  own(tenant: TenantId): RuleApiGroup[] {
    return this.#deps.ruler.running(tenant).map(groupJson);
  }

  /**
   * All of a tenant's groups, those of other rulers too, by file and name. Those of a ruler that does not
   * answer are shown as it saved them last.
   */
  async groups(tenant: TenantId, signal: AbortSignal): Promise<RuleApiGroup[]> {
    const { peers, ruler } = this.#deps;
    const found = new Map<string, RuleApiGroup>();
    // While a group changes hands two rulers may have it: once is enough.
    const add = (group: RuleApiGroup) => {
      const key = keyOf(group.file, group.name);
      if (!found.has(key)) found.set(key, group);
    };
    this.own(tenant).forEach(add);
    const others = await peers?.groups(tenant, signal);
    others?.groups.forEach(add);
    if (others?.isComplete === false) {
      const isReported = (file: string, name: string) => found.has(keyOf(file, name));
      (await ruler.saved(tenant, isReported, signal)).map(groupJson).forEach(add);
    }
    return [...found.values()].sort((a, b) => compare(a.file, b.file) || compare(a.name, b.name));
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

/** Groups that a ruler of this or another version reports; whatever is none is left out. */
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

/** No namespace has a slash. */
function keyOf(file: string, name: string): string {
  return `${file}/${name}`;
}

function groupJson(runner: GroupStatus): RuleApiGroup {
  const { namespace, group } = runner.placed;
  return {
    name: group.name,
    file: namespace,
    rules: runner.rules.map(ruleJson),
    interval: runner.intervalMs / 1000,
    limit: group.limit,
    lastEvaluation: timeText(runner.lastEvaluationMs),
    evaluationTime: runner.evaluationSeconds,
  };
}

function ruleJson(status: RuleStatus): RuleApiRule {
  const { rule } = status;
  const labels = objectOf(rule.labels);
  const query = shownExpr(rule.expr);
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

/** Without prototype: `__proto__` is a fine name of a label. */
function objectOf(pairs: readonly LabelPair[]): Record<string, string> {
  const object = Object.create(null) as Record<string, string>;
  for (const [name, value] of pairs) object[name] = value;
  return object;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
