/** Nodes are drained: budgets evict the ingesters one by one, and every drain ends. */
import { namespace } from './account.ts';
import { brokenLabel, nodes } from './control-plane.ts';
import type { KubeObject } from './kube-api.ts';
import { chart } from './lifecycle.ts';
import type { Values } from './release.ts';
import type { World } from './world.ts';

const release = 'loki';
const drainTimeout = '240s';

interface Case {
  readonly name: string;
  readonly values: Values;
  /** Ingesters that may be away at a time. */
  readonly awayMax: number;
}

const cases: readonly Case[] = [
  { name: 'defaults', values: {}, awayMax: 1 },
  { name: 'zones', values: { ingester: { replicas: 6, zones: ['a', 'b', 'c'] } }, awayMax: 1 },
  {
    name: 'zones that may go whole',
    values: { ingester: { replicas: 6, zones: ['a', 'b', 'c'], zonesMaxUnavailable: 2 } },
    awayMax: 2,
  },
];

/**
 * Pods are on one half of the nodes; all of these are drained at once, into the other half. One node at a
 * time would be no test: the drain itself would keep most pods.
 */
export async function checkDrain(world: World): Promise<void> {
  const { plane, kubeconfig } = world;
  const half = nodes.length / 2;
  for (const { name, values, awayMax } of world.isBrief ? cases.slice(1, 2) : cases) {
    for (const node of nodes.slice(half)) await plane.kubectl(['cordon', node]);
    const installed = await world.helm.upgrade(release, chart, { helm: 'helm4', kubeconfig, values });
    world.checks.check(
      `drain, ${name}: install`,
      installed.isGood,
      installed.isGood ? '' : installed.text.slice(-500),
    );
    for (const node of nodes.slice(half)) await plane.kubectl(['uncordon', node]);
    await drainAll(world, name, nodes.slice(0, half), awayMax);
    for (const node of nodes.slice(0, half)) await plane.kubectl(['uncordon', node]);
    await world.helm.clear();
  }
  await checkBroken(world);
}

/** Crashing pods do not block a drain, although their budget can never be met. */
async function checkBroken(world: World): Promise<void> {
  const { checks, plane, kubeconfig } = world;
  const broken = { podLabels: { [brokenLabel]: 'yes' } };
  const values = { gateway: broken, distributor: broken, querier: broken, ingester: broken };
  const options = { helm: 'helm4', kubeconfig, values, timeout: '10s' } as const;
  const { isGood } = await world.helm.upgrade(release, chart, options);
  checks.check('drain, broken pods: Helm says that they are not ready', !isGood, '');
  const [node] = (await plane.api.list(`/api/v1/namespaces/${namespace}/pods`)).flatMap(
    ({ metadata, spec }) => (metadata.labels?.[brokenLabel] === undefined ? [] : (spec.nodeName as string)),
  );
  const drained = await plane.kubectlAs(plane.kubeconfig, [...drainOf(node), '--timeout=45s']);
  checks.check(
    'drain, broken pods: to the end',
    drained.isGood,
    drained.isGood ? '' : drained.text.slice(-400),
  );
  await plane.kubectl(['uncordon', node]);
  await world.helm.clear();
}

function drainOf(node: string): string[] {
  return ['drain', node, '--ignore-daemonsets', '--delete-emptydir-data'];
}

async function drainAll(
  world: World,
  name: string,
  drained: readonly string[],
  awayMax: number,
): Promise<void> {
  const { checks, plane } = world;
  const watch = await AwayWatch.start(world);
  const outcomes = await Promise.all(
    drained.map((node) => plane.kubectlAs(plane.kubeconfig, [...drainOf(node), `--timeout=${drainTimeout}`])),
  );
  watch.stop();
  const failed = outcomes.filter(({ isGood }) => !isGood);
  checks.check(
    `drain, ${name}: ${drained.length} nodes at once, to the end`,
    failed.length === 0,
    failed.map(({ text }) => text.slice(-300)).join('; '),
  );
  checks.check(
    `drain, ${name}: all ${watch.evictedCount} ingesters moved, ${awayMax} at a time at most`,
    watch.evictedCount === watch.replicas && watch.awayMax <= awayMax,
    `${watch.evictedCount} of ${watch.replicas} moved, ${watch.awayMax} were away at once: ${watch.awayAtWorst}`,
  );
  // With the budget of one, at most one zone is without a pod at a time.
  const pods = await plane.api.list(`/api/v1/namespaces/${namespace}/pods`);
  const stayed = pods
    .filter(({ spec }) => drained.includes(spec.nodeName as string))
    .map(({ metadata }) => metadata.name);
  checks.check(`drain, ${name}: no pod stays`, stayed.length === 0, stayed.join(', '));
}

/** Counts ingesters that are not ready, at each change of a pod. */
class AwayWatch {
  awayMax = 0;
  awayAtWorst = '';
  replicas = 0;
  readonly #evicted = new Set<string>();
  readonly #ready = new Map<string, string>();
  #end: () => void = () => undefined;

  static async start(world: World): Promise<AwayWatch> {
    const { plane } = world;
    const watch = new AwayWatch();
    const pods = (await plane.api.list(`/api/v1/namespaces/${namespace}/pods`)).filter(isIngester);
    watch.replicas = pods.length;
    for (const pod of pods) watch.#ready.set(pod.metadata.name, pod.metadata.uid);
    const names = [...watch.#ready.keys()];
    watch.#end = plane.api.watch(`/api/v1/namespaces/${namespace}/pods`, ({ type, object }) => {
      if (!isIngester(object)) return;
      const { name, uid, deletionTimestamp } = object.metadata;
      const isReady = type !== 'DELETED' && deletionTimestamp === undefined && hasReady(object);
      if (isReady) watch.#ready.set(name, uid);
      else if (watch.#ready.get(name) === uid) {
        watch.#ready.delete(name);
        watch.#evicted.add(uid);
      }
      const unready = names.filter((each) => !watch.#ready.has(each));
      if (unready.length <= watch.awayMax) return;
      watch.awayMax = unready.length;
      watch.awayAtWorst = unready.join(', ');
    });
    return watch;
  }

  get evictedCount(): number {
    return this.#evicted.size;
  }

  stop(): void {
    this.#end();
  }
}

function isIngester({ metadata }: KubeObject): boolean {
  return metadata.labels?.['app.kubernetes.io/component'] === 'ingester';
}

function hasReady({ status }: KubeObject): boolean {
  const conditions = (status.conditions ?? []) as { readonly type: string; readonly status: string }[];
  return conditions.some((each) => each.type === 'Ready' && each.status === 'True');
}
