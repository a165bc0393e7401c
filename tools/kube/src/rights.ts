/**
 * The account of permissions.yaml installs, upgrades and removes every mode, and needs each of its rights.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Part } from '@loki/deploy';
import { accountUser, auditBytes, auditEvents, grafanaNamespace, grant, namespace } from './account.ts';
import type { AuditEvent } from './account.ts';
import { listOf } from './control-plane.ts';
import { readPermissions, rightsOf, textOf, without } from './permissions.ts';
import type { Block, Permissions, Right } from './permissions.ts';
import type { HelmVersion } from './programs.ts';
import type { Values } from './release.ts';
import type { Outcome } from './run.ts';
import type { World } from './world.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const permissionsFile = path.join(root, 'deploy/kubesphere/loki/permissions.yaml');

interface Mode {
  readonly name: string;
  readonly part: Part;
  readonly blocks?: readonly Block[];
  /** Extension Config. */
  readonly values: Values;
  /** Laid over it by an upgrade. */
  readonly next: Values;
}

/** All kinds of objects of the charts, in few installations. */
const modes: readonly Mode[] = [
  { name: 'host, defaults', part: 'host', values: {}, next: { 'loki-grafana': { nameOverride: 'other' } } },
  {
    name: 'host, sidecar',
    part: 'host',
    blocks: ['sidecar'],
    values: { 'loki-grafana': { provision: { mode: 'sidecar' } } },
    next: { 'loki-grafana': { provision: { mode: 'sidecar' }, nameOverride: 'other' } },
  },
  {
    name: 'host, operator',
    part: 'host',
    blocks: ['operator'],
    values: { 'loki-grafana': { provision: { mode: 'operator' } } },
    next: { 'loki-grafana': { provision: { mode: 'operator' }, nameOverride: 'other' } },
  },
  { name: 'agent, defaults', part: 'agent', values: {}, next: { loki: { querier: { replicas: 3 } } } },
  {
    name: 'agent, single',
    part: 'agent',
    values: { loki: { mode: 'single' } },
    next: { loki: { mode: 'single', retention: '24h' } },
  },
  { name: 'agent, all options', part: 'agent', values: allOptions(30), next: allOptions(31) },
];

function allOptions(seconds: number): Values {
  return {
    loki: {
      monitoring: {
        serviceMonitor: { enabled: true, interval: `${seconds}s` },
        rules: { enabled: true, labels: { seconds: String(seconds) } },
        dashboards: { enabled: true },
      },
      ingress: { enabled: true, hosts: ['logs.example.com'] },
      ingester: { zones: ['a', 'b', 'c'] },
      distributor: { autoscaling: { enabled: true } },
      querier: { keda: { enabled: true, pollingInterval: seconds } },
      ruler: { replicas: 1 },
    },
  };
}

/** Few objects beside those that need a right of `permissions.yaml`, so that each trial is short. */
function briefly(seconds: number): Readonly<Record<Part, Values>> {
  const none = { replicas: 0 };
  const { monitoring } = (allOptions(seconds) as { loki: Record<string, object> }).loki;
  return {
    host: { 'loki-grafana': seconds === 30 ? {} : { nameOverride: 'other' } },
    agent: {
      loki: {
        monitoring: { ...monitoring, dashboards: { enabled: false } },
        kafka: { brokers: 'kafka:9092' },
        redis: { endpoint: 'redis:6379' },
        storage: { endpoint: 'http://store', accessKeyId: 'a', secretAccessKey: 'b' },
        gateway: none,
        distributor: none,
        ingester: none,
        querier: none,
        compactor: { keda: { enabled: true, pollingInterval: seconds } },
      },
    },
  };
}

/** The rights of the file, unchanged. */
export function readAccountPermissions(): Permissions {
  return readPermissions(fs.readFileSync(permissionsFile, 'utf8'));
}

/** A brief run goes through few modes, and removes no right. */
export async function checkRights(world: World): Promise<void> {
  const { plane } = world;
  const text = fs.readFileSync(permissionsFile, 'utf8');
  const events: Record<HelmVersion, AuditEvent[]> = { helm3: [], helm4: [] };
  for (const helm of world.isBrief ? (['helm3'] as const) : (['helm3', 'helm4'] as const)) {
    const fromBytes = auditBytes(plane);
    const briefModes = modes.filter(({ name }) => ['host, defaults', 'agent, all options'].includes(name));
    for (const mode of world.isBrief ? briefModes : modes) await live(world, helm, mode, text);
    events[helm] = auditEvents(plane, fromBytes);
    // Helm 3 checks for the namespace, and continues where it must not read it.
    const isIgnored = ({ verb, resource }: AuditEvent): boolean =>
      verb === 'get' && resource === 'namespaces';
    const refused = events[helm].filter((each) => each.code === 403 && !isIgnored(each)).map(describe);
    world.checks.check(
      `${helm}: the account is refused nothing`,
      refused.length === 0,
      [...new Set(refused)].join('; '),
    );
  }
  await grant(plane, readAccountPermissions());
  await refusals(world);
  if (world.isBrief) return;
  const permissions = readPermissions(text, ['sidecar', 'operator']);
  const idle = rightsOf(permissions).filter(
    (right) => !isUsed(events.helm3, right) && !isUsed(events.helm4, right),
  );
  world.checks.check('no right of permissions.yaml is idle', idle.length === 0, listing(idle));
  const needless: Right[] = [];
  const whole = readAccountPermissions();
  const rights = rightsOf(whole);
  for (const right of rights) {
    const helm = isUsed(events.helm3, right) ? 'helm3' : 'helm4';
    if (!(await fails(world, helm, without(whole, right), right))) needless.push(right);
  }
  world.checks.check(
    `without any one of ${rights.length} rights an installation, upgrade or removal fails`,
    needless.length === 0,
    listing(needless),
  );
  await grant(plane, readAccountPermissions());
}

async function live(world: World, helm: HelmVersion, mode: Mode, text: string): Promise<void> {
  const { checks, plane, kubeconfig } = world;
  await grant(plane, readPermissions(text, mode.blocks));
  const steps: [string, () => Promise<Outcome>][] = [
    ['installed', () => world.helm.installPart(mode.part, { helm, kubeconfig, values: mode.values })],
    ['upgraded', () => world.helm.installPart(mode.part, { helm, kubeconfig, values: mode.next })],
    ['uninstalled', () => world.helm.uninstallPart(mode.part, { helm, kubeconfig })],
  ];
  for (const [step, act] of steps) {
    const { isGood, text: output } = await act();
    checks.check(`${helm}: ${mode.name}: ${step} by the account`, isGood, isGood ? '' : output.slice(-600));
  }
  await world.helm.clear();
}

/** Whether one of install, upgrade, uninstall fails with these rights. */
async function fails(
  world: World,
  helm: HelmVersion,
  permissions: Permissions,
  right: Right,
): Promise<boolean> {
  const { plane, kubeconfig } = world;
  const part = right.scope === 'role' ? 'agent' : 'host';
  await grant(plane, permissions);
  const options = { helm, kubeconfig, timeout: '40s', hasHooks: false };
  const steps = [
    () => world.helm.installPart(part, { ...options, values: briefly(30)[part] }),
    () => world.helm.installPart(part, { ...options, values: briefly(31)[part] }),
    () => world.helm.uninstallPart(part, options),
  ];
  let failed: Outcome | undefined;
  for (const step of steps) {
    const outcome = await step();
    if (outcome.isGood) continue;
    failed = outcome;
    break;
  }
  await world.helm.clear();
  const reason =
    failed?.text.split('\n').find((line) => /forbidden|cannot/.test(line)) ?? failed?.text.slice(-200);
  console.log(`       without ${textOf(right)} (${helm}): ${reason?.slice(0, 220) ?? 'nothing fails'}`);
  return failed !== undefined;
}

/** Tries each request that the account must not be allowed. */
async function refusals({ checks, plane, kubeconfig }: World): Promise<void> {
  const rbac = 'rbac.authorization.k8s.io/v1';
  const role = (kind: string, of: string | undefined, rules: object[]) => ({
    apiVersion: rbac,
    kind,
    metadata: { name: 'more', ...(of === undefined ? {} : { namespace: of }) },
    rules,
  });
  const everything = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
  const bind = {
    apiVersion: rbac,
    kind: 'RoleBinding',
    metadata: { name: 'more', namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'User', name: accountUser, apiGroup: 'rbac.authorization.k8s.io' }],
  };
  const pod = { name: 'pause', image: 'pause' };
  const elsewhere = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'elsewhere', namespace: 'default' },
    spec: { containers: [pod] },
  };
  const create = (object: object) => ['create', '--filename', '-', listOf([object])];
  const attempts: [string, string[]][] = [
    ['a ClusterRole', create(role('ClusterRole', undefined, everything))],
    ['a Role that may do more than the account', create(role('Role', 'kube-system', everything))],
    ['a binding to cluster-admin', create(bind)],
    ['a pod in another namespace', create(elsewhere)],
    [
      'another Secret of Grafana’s namespace',
      ['get', 'secret', 'other', `--namespace=${grafanaNamespace}`, ''],
    ],
    ['the list of its Secrets', ['get', 'secrets', `--namespace=${grafanaNamespace}`, '']],
    ['a service account’s token elsewhere', ['create', 'token', 'default', '--namespace=kube-system', '']],
    ['the nodes', ['get', 'nodes', '']],
  ];
  for (const [name, command] of attempts) {
    const { isGood, text } = await plane.kubectlAs(kubeconfig, command.slice(0, -1), command.at(-1));
    const isRefused = !isGood && /forbidden/i.test(text);
    checks.check(`the account is refused ${name}`, isRefused, isRefused ? '' : text.slice(0, 300));
  }
  // One request that must be allowed, to prove that refusals are not caused by a missing account.
  const own = ['get', 'secret', 'grafana', `--namespace=${grafanaNamespace}`];
  const { isGood, text } = await plane.kubectlAs(kubeconfig, own);
  checks.check('the account reads Grafana’s Secret', isGood, isGood ? '' : text);
}

function isUsed(events: readonly AuditEvent[], { scope, group, resource, verb }: Right): boolean {
  if (resource === 'secrets' && verb === 'get' && scope === 'clusterRole') {
    // Not requested: the account holds it so that it may grant it to a Role.
    return true;
  }
  return events.some(
    (event) =>
      event.group === group &&
      event.resource === resource &&
      event.verb === verb &&
      (event.namespace === namespace) === (scope === 'role'),
  );
}

function describe({ verb, resource, group, namespace: of, name }: AuditEvent): string {
  return `${verb} ${resource}.${group} ${of}/${name}`;
}

function listing(rights: readonly Right[]): string {
  return [...new Set(rights.map(textOf))].join(', ');
}
