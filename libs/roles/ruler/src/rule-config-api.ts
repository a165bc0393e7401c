/** The API that edits rules: YAML to and from the rule store. */
import { isUtf8 } from 'node:buffer';
import type { LimitsSource } from '@loki/config';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import { atOnce, inSlices } from '@loki/ports';
import type { Clock, HttpRequest, HttpResponse, Timers, Workers } from '@loki/ports';
import { successResponse, yamlResponse } from './api-text.ts';
import type { RulerPeers } from './prometheus-api.ts';
import { readCheckedGroup } from './read-group-task.ts';
import { RuleTextError } from './read-yaml.ts';
import type { PlacedGroup, RuleGroup } from './rule-group.ts';
import type { RuleStore } from './rule-store.ts';
import type { Ruler } from './ruler.ts';
import { nameBytesMax } from './validate.ts';
import { writeGroup, writeNamespaces } from './write-yaml.ts';

interface RuleConfigApiDeps {
  readonly store: RuleStore;
  readonly limits: LimitsSource;
  readonly ruler: Ruler;
  /** Other rulers, which may own the changed group. */
  readonly peers?: Pick<RulerPeers, 'rulesChanged'>;
  /** Workers for large groups. Absent: groups are read on the main thread. */
  readonly workers?: Workers;
  /** Divides long lists into slices. Absent: they are written at once. */
  readonly turns?: { readonly clock: Clock; readonly timers: Timers };
}

/** Routes that list, create and delete rule groups, as YAML from and to the store. */
export class RuleConfigApi {
  readonly #deps: RuleConfigApiDeps;

  constructor(deps: RuleConfigApiDeps) {
    this.#deps = deps;
  }

  /** `GET …/rules` and `GET …/rules/{namespace}` */
  async list(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const namespace = request.params.has('namespace') ? nameOf(request, 'namespace') : undefined;
    const { groups } = await this.#deps.store.groups(tenant, namespace, request.signal);
    const selected = withRuleLabels(groups, labelFilter(request.queryText));
    if (selected.length === 0) throw new LokiError('notFound', 'no rule groups found');
    const namespaces = new Map<string, RuleGroup[]>();
    for (const { namespace: name, group } of selected) {
      const same = namespaces.get(name);
      if (same) same.push(group);
      else namespaces.set(name, [group]);
    }
    const { turns } = this.#deps;
    const work = writeNamespaces(namespaces);
    return yamlResponse(turns ? await inSlices(work, turns) : atOnce(work));
  }

  /** `GET …/rules/{namespace}/{group}` */
  async get(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const group = await this.#deps.store.group(
      tenant,
      nameOf(request, 'namespace'),
      nameOf(request, 'groupname'),
    );
    return yamlResponse(writeGroup(group));
  }

  /** `POST …/rules/{namespace}`: creates the group, or replaces the one of its name. */
  async create(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const namespace = nameOf(request, 'namespace');
    if (Buffer.byteLength(namespace) > nameBytesMax) {
      throw new LokiError('badRequest', `namespace is too long: max ${nameBytesMax} bytes`);
    }
    const group = await parseGroup(bodyText(request), this.#deps.workers);
    await this.#checkLimits(tenant, group);
    await this.#deps.store.put(tenant, namespace, group);
    await this.#deps.ruler.groupPut({ tenant, namespace, group });
    await this.#deps.peers?.rulesChanged(tenant);
    return successResponse(null, 202);
  }

  /** `DELETE …/rules/{namespace}/{group}`; succeeds for a group that does not exist. */
  async deleteGroup(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    await this.#delete(tenant, nameOf(request, 'namespace'), nameOf(request, 'groupname'));
    await this.#deps.peers?.rulesChanged(tenant);
    return successResponse(null, 202);
  }

  /** `DELETE …/rules/{namespace}` */
  async deleteNamespace(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const namespace = nameOf(request, 'namespace');
    const names = await this.#deps.store.names(tenant);
    const own = names.filter((each) => each.namespace === namespace);
    if (own.length === 0) throw new LokiError('notFound', 'group namespace does not exist');
    for (const { name } of own) await this.#delete(tenant, namespace, name);
    await this.#deps.peers?.rulesChanged(tenant);
    return successResponse(null, 202);
  }

  async #delete(tenant: TenantId, namespace: string, name: string): Promise<void> {
    if (Buffer.byteLength(namespace) > nameBytesMax || Buffer.byteLength(name) > nameBytesMax) return;
    await this.#deps.store.delete(tenant, namespace, name);
    await this.#deps.ruler.groupDeleted(tenant, namespace, name);
  }

  /** A replaced group counts twice, as in Loki: a tenant at its limit has to delete before it changes. */
  async #checkLimits(tenant: TenantId, group: RuleGroup): Promise<void> {
    const limits = this.#deps.limits.forTenant(tenant);
    const rulesMax = limits.rulerMaxRulesPerRuleGroup;
    if (rulesMax > 0 && group.rules.length > rulesMax) {
      throw new LokiError(
        'badRequest',
        `per-user rules per rule group limit (limit: ${rulesMax} actual: ${group.rules.length}) exceeded`,
      );
    }
    const groupsMax = limits.rulerMaxRuleGroupsPerTenant;
    if (groupsMax <= 0) return;
    const count = (await this.#deps.store.names(tenant)).length + 1;
    if (count > groupsMax) {
      throw new LokiError(
        'badRequest',
        `per-user rule groups limit (limit: ${groupsMax} actual: ${count}) exceeded`,
      );
    }
  }
}

async function parseGroup(text: string, workers: Workers | undefined): Promise<RuleGroup> {
  try {
    return await readCheckedGroup(text, workers);
  } catch (error) {
    if (!(error instanceof RuleTextError)) throw error;
    throw new LokiError('badRequest', 'unable to decoded rule group', { cause: error });
  }
}

/** The body as text; '' for forms, because the server has consumed them as parameters. */
function bodyText(request: HttpRequest): string {
  const type = (request.headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();
  if (type === 'application/x-www-form-urlencoded') return '';
  // YAML is UTF-8: replacing invalid bytes would store a query that the client did not write.
  if (!isUtf8(request.body)) throw new LokiError('badRequest', 'unable to decoded rule group');
  return request.body.toString('utf8');
}

/** An encoded slash adds a path segment in Loki, and no route has that many. */
function nameOf(request: HttpRequest, param: string): string {
  const name = request.params.get(param) ?? '';
  if (name.includes('/')) throw new LokiError('notFound', '404 page not found');
  return name;
}

/** `?labels=name:value,…` */
function labelFilter(queryText: string): [string, string][] {
  const text = new URLSearchParams(queryText).get('labels') ?? '';
  if (text === '') return [];
  return text.split(',').map((part) => {
    const colon = part.indexOf(':');
    if (colon < 1) throw new LokiError('badRequest', `invalid labels filter: ${part}`);
    return [part.slice(0, colon).trim(), part.slice(colon + 1).trim()];
  });
}

/** Groups with only the rules that have all the labels; without a filter all rules. */
function withRuleLabels(
  groups: readonly PlacedGroup[],
  filter: readonly (readonly [string, string])[],
): readonly PlacedGroup[] {
  if (filter.length === 0) return groups;
  return groups.flatMap((placed) => {
    const rules = placed.group.rules.filter((rule) =>
      filter.every(([name, value]) => rule.labels.some((label) => label[0] === name && label[1] === value)),
    );
    return rules.length === 0 ? [] : [{ ...placed, group: { ...placed.group, rules } }];
  });
}
