/** The chart installed, changed, rolled back, removed and installed again, and from an earlier version. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually } from '@loki/test-tools';
import { namespace } from './account.ts';
import type { KubeObject } from './kube-api.ts';
import type { HelmVersion } from './programs.ts';
import { claims as claimsPath } from './release.ts';
import type { Values } from './release.ts';
import type { Outcome } from './run.ts';
import type { World } from './world.ts';

const root = path.resolve(import.meta.dirname, '../../..');
export const chart = path.join(root, 'deploy/helm/loki');
const release = 'loki';
const goneMsMax = 120_000;
const workloadKinds = ['deployments', 'statefulsets'] as const;

const zonesChange = 'zones';

/** Changes that users make to a running system, each over the defaults. */
const changes: readonly [name: string, values: Values][] = [
  ['more replicas', { querier: { replicas: 4 }, ingester: { replicas: 5 } }],
  ['autoscalers', autoscaled({ minReplicas: 3 })],
  ['other autoscalers', autoscaled({ minReplicas: 3, maxReplicas: 12 })],
  [zonesChange, { ingester: { zones: ['a', 'b', 'c'] } }],
];

function autoscaled(bounds: Values): Values {
  const autoscaling = { enabled: true, ...bounds };
  return {
    gateway: { autoscaling },
    distributor: { autoscaling },
    querier: { autoscaling },
    ingester: { autoscaling },
  };
}

export async function checkLifecycle(world: World, helm: HelmVersion): Promise<void> {
  const { checks, kubeconfig } = world;
  const options = { helm, kubeconfig };
  // The guide's way to give a field to an autoscaler: Helm 4 refuses it otherwise.
  const forced = helm === 'helm4' ? ['--force-conflicts'] : [];
  const checkOutcome = (name: string, { isGood, text }: Outcome): void => {
    checks.check(`${helm}: ${name}`, isGood, isGood ? '' : text.slice(-800));
  };
  checkOutcome('install', await world.helm.upgrade(release, chart, options));
  const services = await namesOf(world, 'services');
  const claims = await claimsOf(world);
  checks.check(
    `${helm}: claims of Kafka, Redis and MinIO are bound`,
    claims.length === 3 && claims.every(({ status }) => status.phase === 'Bound'),
    claims.map(({ metadata, status }) => `${metadata.name} ${status.phase}`).join(', '),
  );
  for (const [name, values] of world.isBrief ? changes.slice(1) : changes) {
    const replicas = new ReplicasWatch(world);
    const flags = name === zonesChange ? forced : [];
    checkOutcome(`upgrade: ${name}`, await world.helm.upgrade(release, chart, { ...options, values, flags }));
    await autoscalersSettle(world);
    replicas.stop();
    const missing = services.filter((each) => !replicas.services.has(each));
    checks.check(`${helm}: ${name}: Services keep their names`, missing.length === 0, missing.join(', '));
    // Without its autoscaler a workload has what the values say.
    if (name === zonesChange) continue;
    checks.check(
      `${helm}: ${name}: no workload shrinks below what it had`,
      replicas.falls.length === 0,
      replicas.falls.join(', '),
    );
  }
  for (const revision of world.isBrief ? [1] : [3, 1]) {
    const back = ['rollback', release, String(revision), '--wait', '--timeout=180s', ...forced];
    checkOutcome(`roll back to revision ${revision}`, await world.helm.run(options, back));
  }
  const after = await namesOf(world, 'services');
  checks.check(
    `${helm}: Services are those of the installation`,
    after.join() === services.join(),
    after.join(', '),
  );
  checkOutcome(
    'uninstall',
    await world.helm.run(options, ['uninstall', release, '--wait', '--timeout=120s']),
  );
  const leftovers = await restOf(world);
  checks.check(`${helm}: nothing but claims stays`, leftovers.length === 0, leftovers.join(', '));
  sameClaims(world, `${helm}: claims stay, and their volumes`, claims, await claimsOf(world));
  checkOutcome('install again', await world.helm.upgrade(release, chart, options));
  sameClaims(world, `${helm}: the second installation takes the claims up`, claims, await claimsOf(world));
  const mounted = await mountsOf(world);
  checks.check(
    `${helm}: its pods mount them`,
    claims.every(({ metadata }) => mounted.has(metadata.name)),
    [...mounted].join(', '),
  );
  checkOutcome(
    'uninstall at last',
    await world.helm.run(options, ['uninstall', release, '--wait', '--timeout=120s']),
  );
  await world.helm.clear();
}

/** An upgrade from the chart of an earlier commit, and back. */
export async function checkUpgradeFrom(world: World, commit: string, helm: HelmVersion): Promise<void> {
  const { checks, kubeconfig } = world;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-kube-previous-'));
  const options = { helm, kubeconfig };
  try {
    const archive = execFileSync('git', ['archive', commit, 'deploy'], { cwd: root, maxBuffer: 2 ** 28 });
    execFileSync('tar', ['-xf', '-', '-C', directory], { input: archive });
    const previous = path.join(directory, 'deploy/helm/loki');
    const single = { mode: 'single' };
    for (const [name, values] of [['defaults', {}], ...changes.slice(1), ['single', single]] as [
      string,
      Values,
    ][]) {
      const steps: [string, () => Promise<Outcome>][] = [
        [`install of ${commit}`, () => world.helm.upgrade(release, previous, { ...options, values })],
        ['upgrade to this version', () => world.helm.upgrade(release, chart, { ...options, values })],
        ['roll back', () => world.helm.run(options, ['rollback', release, '1', '--wait', '--timeout=180s'])],
      ];
      for (const [step, act] of steps) {
        const { isGood, text } = await act();
        checks.check(`${helm}: ${name}: ${step}`, isGood, isGood ? '' : text.slice(-800));
        if (!isGood) break;
      }
      await world.helm.clear();
    }
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** The commit before the last change of the chart; undefined: the history here does not reach it. */
export function previousChart(): string | undefined {
  const log = [
    'log',
    '--format=%h',
    '--max-count=2',
    '--',
    'deploy/helm/loki/templates',
    'deploy/helm/loki/values.yaml',
  ];
  try {
    return execFileSync('git', log, { cwd: root, encoding: 'utf8' }).trim().split('\n')[1];
  } catch {
    return undefined;
  }
}

/** Resolves when each workload has its least number of pods. */
async function autoscalersSettle({ plane }: World): Promise<void> {
  const path = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`;
  const isSettled = ({ spec, status }: KubeObject): boolean => status.currentReplicas >= spec.minReplicas;
  await eventually(async () => (await plane.api.list(path)).every(isSettled), {
    withinMs: goneMsMax,
    everyMs: 500,
  });
}

/** Records each change of `spec.replicas`, and each Service. */
class ReplicasWatch {
  /** `workload: 3 to 1`. */
  readonly falls: string[] = [];
  readonly services = new Set<string>();
  readonly #ends: (() => void)[] = [];

  constructor({ plane }: World) {
    const replicas = new Map<string, number>();
    for (const kind of workloadKinds) {
      const subscription = plane.api.watch(
        `/apis/apps/v1/namespaces/${namespace}/${kind}`,
        ({ type, object }) => {
          const { name } = object.metadata;
          const count = type === 'DELETED' ? 0 : (object['spec'].replicas as number);
          const before = replicas.get(name);
          if (before !== undefined && count < before) this.falls.push(`${name}: ${before} to ${count}`);
          replicas.set(name, count);
        },
      );
      this.#ends.push(subscription);
    }
    this.#ends.push(
      plane.api.watch(`/api/v1/namespaces/${namespace}/services`, ({ type, object }) => {
        if (type === 'DELETED') this.services.delete(object.metadata.name);
        else this.services.add(object.metadata.name);
      }),
    );
  }

  stop(): void {
    for (const end of this.#ends) end();
  }
}

async function namesOf({ plane }: World, kind: string): Promise<string[]> {
  const objects = await plane.api.list(`/api/v1/namespaces/${namespace}/${kind}`);
  return objects.map(({ metadata }) => metadata.name).toSorted();
}

function claimsOf({ plane }: World): Promise<KubeObject[]> {
  return plane.api.list(claimsPath);
}

function sameClaims(
  { checks }: World,
  name: string,
  before: readonly KubeObject[],
  after: readonly KubeObject[],
): void {
  const textOf = ({ metadata, spec, status }: KubeObject) =>
    `${metadata.name} ${metadata.uid} ${spec.volumeName} ${status.phase}`;
  const texts = after.map(textOf);
  checks.check(name, before.map(textOf).join() === texts.join(), texts.join(', '));
}

/** Names of claims that pods mount. */
async function mountsOf({ plane }: World): Promise<Set<string>> {
  const pods = await plane.api.list(`/api/v1/namespaces/${namespace}/pods`);
  return new Set(
    pods.flatMap(({ spec }) =>
      (spec.volumes as { persistentVolumeClaim?: { claimName: string } }[]).flatMap(
        ({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [],
      ),
    ),
  );
}

const keptKinds =
  'deployments,statefulsets,services,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,ingresses,jobs,cronjobs';

async function restOf({ plane }: World): Promise<string[]> {
  const names = await plane.kubectl([
    'get',
    keptKinds,
    `--namespace=${namespace}`,
    '--selector=app.kubernetes.io/part-of=loki',
    '--output=name',
  ]);
  return names.split('\n').filter((name) => name !== '');
}
