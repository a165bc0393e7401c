/**
 * A ruler: starts and stops the rule groups of its share, following the rule store. The story of a rule
 * begins here.
 */
import { Semaphore } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { TimerHandle } from '@loki/ports';
import { AlertStateStore } from './alert-state-store.ts';
import { GroupRunner } from './group-runner.ts';
import type { GroupRunnerDeps } from './group-runner.ts';
import { savedGroup } from './group-status.ts';
import type { GroupStatus } from './group-status.ts';
import { groupKey } from './rule-group.ts';
import type { PlacedGroup } from './rule-group.ts';
import type { RulerDeps, RulerOptions } from './ruler-deps.ts';

/** Bound on groups evaluated in parallel; their queries then queue like all others. */
const evaluationsMax = 16;
/** Bound on repeated reads of a tenant's groups when they change during the read. */
const rereadsMax = 3;
/** States of alerts read in parallel. */
const readsMax = 16;

/** Runs the groups of its share, following the rule store. */
export class Ruler {
  readonly #deps: RulerDeps;
  readonly #options: RulerOptions;
  readonly #runnerDeps: GroupRunnerDeps;
  /** Runners by tenant and `groupKey`. */
  readonly #tenants = new Map<TenantId, Map<string, GroupRunner>>();
  /** Counts changes by the API during a read of the store, so that a slow read does not revert them. */
  readonly #changes = new Map<TenantId, number>();
  /** Number of reads of the store in progress. */
  #readers = 0;
  /** Serialises changes of one tenant's runners. */
  readonly #turns = new Map<TenantId, Promise<void>>();
  readonly #stop = new AbortController();
  #syncing: Promise<void> = Promise.resolve();
  #poll: TimerHandle | undefined;
  #unwatch: (() => void) | undefined;

  constructor(deps: RulerDeps, options: RulerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#runnerDeps = {
      ...deps,
      states: new AlertStateStore(deps.stateObjects),
      semaphore: new Semaphore(evaluationsMax),
      sendAlerts: (tenant, alerts, expr) => deps.alerts?.send(tenant, alerts, expr),
      writeSeries: async (tenant, samples) => deps.series?.write(tenant, samples),
    };
  }

  /** Starts evaluations. If the store does not answer, the next poll tries again. */
  async start(): Promise<void> {
    await this.#deps.series?.start();
    this.#unwatch = this.#deps.owner.onChange(() => void this.sync('ring-change'));
    await this.sync('initial');
    this.#pollLater();
  }

  /** Ends evaluations and saves their state. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#poll?.cancel();
    this.#unwatch?.();
    await this.#syncing;
    await Promise.all(this.#turns.values());
    const runners = [...this.#tenants.values()].flatMap((groups) => [...groups.values()]);
    await Promise.all(runners.map((runner) => runner.stop()));
    for (const runner of runners) await runner.handOver();
    this.#tenants.clear();
    await this.#deps.alerts?.stop();
    await this.#deps.series?.stop();
  }

  /** The tenant's groups that run here, by namespace and name. */
  running(tenant: TenantId): GroupRunner[] {
    const runners = [...(this.#tenants.get(tenant)?.values() ?? [])];
    return runners.sort((a, b) => comparePlaces(a.placed, b.placed));
  }

  /** Groups of the store that no ruler reports, as their owner saved them. */
  async saved(
    tenant: TenantId,
    isReported: (namespace: string, name: string) => boolean,
    signal: AbortSignal,
  ): Promise<GroupStatus[]> {
    if (!this.#isEnabled(tenant)) return [];
    const { states } = this.#runnerDeps;
    const { groups } = await this.#deps.store.groups(tenant, undefined, signal);
    const missing = groups.filter(({ namespace, group }) => !isReported(namespace, group.name));
    const statuses: GroupStatus[] = [];
    for (let at = 0; at < missing.length; at += readsMax) {
      const read = missing.slice(at, at + readsMax).map(async (placed) => {
        const { namespace, group } = placed;
        const saved = await states.load(tenant, namespace, group.name, signal);
        return savedGroup(placed, saved, this.#options.evaluationIntervalMs);
      });
      statuses.push(...(await Promise.all(read)));
    }
    return statuses;
  }

  /** Called when the API of another ruler changed the tenant's groups. */
  async rulesChanged(tenant: TenantId): Promise<void> {
    this.#countChange(tenant);
    this.#deps.metrics.synced('api-change');
    await this.#syncTenant(tenant);
  }

  /** Called when the API stored this group. */
  async groupPut(placed: PlacedGroup): Promise<void> {
    this.#countChange(placed.tenant);
    this.#deps.metrics.synced('api-change');
    if (this.#owns(placed)) await this.#inTurn(placed.tenant, () => this.#run(placed));
  }

  /** Called when the API deleted this group. */
  async groupDeleted(tenant: TenantId, namespace: string, name: string): Promise<void> {
    this.#countChange(tenant);
    this.#deps.metrics.synced('api-change');
    await this.#inTurn(tenant, async () => {
      await this.#end(tenant, groupKey(tenant, namespace, name), true);
      this.#forgetIfEmpty(tenant);
    });
  }

  /** Reads all rules, starts and stops groups. Calls are serialised; never rejects. */
  sync(reason: string): Promise<void> {
    this.#syncing = this.#syncing.then(() => this.#sync(reason));
    return this.#syncing;
  }

  #pollLater(): void {
    this.#poll = this.#deps.timers.after(this.#options.pollIntervalMs, () => {
      void this.sync('periodic').then(() => {
        if (!this.#stop.signal.aborted) this.#pollLater();
      });
    });
  }

  async #sync(reason: string): Promise<void> {
    const { store, metrics, logger } = this.#deps;
    const { signal } = this.#stop;
    if (signal.aborted) return;
    metrics.synced(reason);
    try {
      const storedTenants = await store.tenants(signal);
      const tenants = new Set([...storedTenants, ...this.#tenants.keys()]);
      for (const tenant of tenants) await this.#syncTenant(tenant);
      metrics.tenants(this.#tenants.size);
    } catch (error) {
      // Running groups keep their present rules.
      if (!signal.aborted) logger.error('rules could not be read', { err: String(error) });
    }
  }

  async #syncTenant(tenant: TenantId): Promise<void> {
    if (!this.#isEnabled(tenant)) return;
    this.#readers++;
    try {
      await this.#readTenant(tenant);
    } finally {
      if (--this.#readers === 0) this.#changes.clear();
    }
  }

  async #readTenant(tenant: TenantId): Promise<void> {
    const { store, metrics, logger } = this.#deps;
    for (let attempt = 0; attempt < rereadsMax; attempt++) {
      const changes = this.#changes.get(tenant);
      try {
        const { groups, isComplete } = await store.groups(tenant, undefined, this.#stop.signal);
        if (this.#stop.signal.aborted) return;
        let isOutdated = false;
        await this.#inTurn(tenant, async () => {
          isOutdated = this.#changes.get(tenant) !== changes;
          if (!isOutdated) await this.#apply(tenant, groups, isComplete);
        });
        if (isOutdated) continue;
        if (groups.length > 0) metrics.tenantLoaded(tenant, isComplete);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        metrics.tenantLoaded(tenant, false);
        logger.error("a tenant's rules could not be read", { tenant, err: String(error) });
      }
      return;
    }
  }

  /** @param isComplete false: groups outside of `groups` may exist and keep running */
  async #apply(tenant: TenantId, groups: readonly PlacedGroup[], isComplete: boolean): Promise<void> {
    const planned = new Map<string, PlacedGroup>();
    const existing = new Set<string>();
    for (const placed of groups) {
      const key = groupKey(tenant, placed.namespace, placed.group.name);
      existing.add(key);
      if (this.#owns(placed)) planned.set(key, placed);
    }
    const running = this.#tenants.get(tenant)?.keys() ?? [];
    for (const key of Array.from(running)) {
      if (planned.has(key)) continue;
      if (existing.has(key)) await this.#end(tenant, key, false);
      else if (isComplete) await this.#end(tenant, key, true);
    }
    for (const [key, placed] of planned) {
      const runner = this.#tenants.get(tenant)?.get(key);
      if (!runner || !isSameGroup(runner.placed, placed)) await this.#run(placed);
    }
    this.#forgetIfEmpty(tenant);
  }

  /** Runs a group, replacing its former version. */
  async #run(placed: PlacedGroup): Promise<void> {
    const { tenant, namespace, group } = placed;
    if (this.#stop.signal.aborted) return;
    let groups = this.#tenants.get(tenant);
    if (!groups) this.#tenants.set(tenant, (groups = new Map()));
    const key = groupKey(tenant, namespace, group.name);
    const before = groups.get(key);
    await before?.stop();
    const runner = new GroupRunner(placed, this.#runnerDeps, this.#options, before);
    groups.set(key, runner);
    runner.start();
    this.#deps.metrics.tenants(this.#tenants.size);
  }

  /** @param isGone true: the group was deleted; false: another ruler runs it */
  async #end(tenant: TenantId, key: string, isGone: boolean): Promise<void> {
    const groups = this.#tenants.get(tenant);
    const runner = groups?.get(key);
    if (!runner) return;
    groups!.delete(key);
    await runner.stop();
    await (isGone ? runner.forget() : runner.handOver());
  }

  #forgetIfEmpty(tenant: TenantId): void {
    if (this.#tenants.get(tenant)?.size !== 0) return;
    this.#tenants.delete(tenant);
    this.#deps.alerts?.forget(tenant);
    this.#deps.metrics.tenantGone(tenant);
    this.#deps.metrics.tenants(this.#tenants.size);
  }

  #owns({ tenant, namespace, group }: PlacedGroup): boolean {
    return this.#isEnabled(tenant) && this.#deps.owner.owns(tenant, groupKey(tenant, namespace, group.name));
  }

  #isEnabled(tenant: TenantId): boolean {
    const { enabledTenants, disabledTenants } = this.#options;
    return (
      (enabledTenants.length === 0 || enabledTenants.includes(tenant)) && !disabledTenants.includes(tenant)
    );
  }

  /** Serialises changes of a tenant's runners: two parallel starts of a group would leak one runner. */
  async #inTurn(tenant: TenantId, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(tenant) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined); // the caller of the change gets its failure
    this.#turns.set(tenant, settled);
    try {
      await turn;
    } finally {
      if (this.#turns.get(tenant) === settled) this.#turns.delete(tenant);
    }
  }

  #countChange(tenant: TenantId): void {
    if (this.#readers > 0) this.#changes.set(tenant, (this.#changes.get(tenant) ?? 0) + 1);
  }
}

function isSameGroup(a: PlacedGroup, b: PlacedGroup): boolean {
  return a.group === b.group || JSON.stringify(a.group) === JSON.stringify(b.group);
}

function comparePlaces(a: PlacedGroup, b: PlacedGroup): number {
  return compare(a.namespace, b.namespace) || compare(a.group.name, b.group.name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
