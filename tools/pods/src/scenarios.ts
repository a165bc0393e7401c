/** Scenarios that the pods of a rendered chart must survive. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Checks } from '@loki/image';
import { Canary } from './canary.ts';
import type { Manifest } from './manifest.ts';
import { addAddress } from './node.ts';
import type { PodNode } from './node.ts';
import { Pod } from './pod.ts';
import { ServiceProxy } from './service-proxy.ts';

interface Scenario {
  readonly checks: Checks;
  readonly node: PodNode;
  readonly manifest: Manifest;
  /** Of the Service `loki-gateway`. */
  readonly address: string;
}

const readyMsMax = 240_000;
/** Load before and after each action on the pods. */
const loadMs = 5_000;

/** A rollout: its name in the checks, and the pods that replace the former ones. */
interface Rollout {
  readonly name: string;
  readonly manifest: Manifest;
}

/**
 * Pods of the whole system, in a random order of starts, judged by the canary all the time: an ingester's
 * container is killed, then each pod is replaced in each of the rollouts.
 */
export async function distributed(
  { checks, node, manifest, address }: Scenario,
  rollouts: readonly Rollout[],
): Promise<void> {
  const pods = podsOf(node, manifest);
  const all = (): Pod[] => [...pods.values()].flat();
  const door = await serve(manifest, address, all);
  const canary = new Canary(checks, path.join(node.directory, 'canary'), address);
  try {
    for (const pod of shuffled(all())) await pod.start();
    await checkReady(checks, 'all pods, started in any order', all());
    await canary.start();
    await sleep(loadMs);
    await canary.finish('loki-gateway:80');

    await canary.start();
    await sleep(loadMs);
    const [victim] = pods.get('loki-ingester')!;
    await victim.kill();
    await sleep(loadMs);
    await victim.restart();
    await checkReady(checks, 'an ingester that was killed, again', [victim]);
    await canary.finish('kill -9 of an ingester');

    for (const [generation, { name, manifest: next }] of rollouts.entries()) {
      await canary.start();
      await sleep(loadMs);
      for (const [workload, replicas] of pods) {
        await replaceEach({ checks, node, manifest: next }, workload, { replicas, name, generation });
      }
      await sleep(loadMs);
      await canary.finish(name);
    }
    await canary.judgeAgain('lines of before, in the end');
  } finally {
    await canary.stop();
    for (const pod of all()) await pod.stop();
    door.close();
  }
}

/** One process with a claim: its lines outlive the pod. */
export async function single({ checks, node, manifest, address }: Scenario): Promise<void> {
  const pods = podsOf(node, manifest).get('loki-single')!;
  const door = await serve(manifest, address, () => pods);
  const canary = new Canary(checks, path.join(node.directory, 'canary-single'), address);
  try {
    await pods[0].start();
    await checkReady(checks, 'single: the pod', pods);
    await canary.start();
    await sleep(loadMs);
    await canary.finish('single');
    const { code, seconds } = await pods[0].stop();
    checks.check('single: SIGTERM ends it with 0', code === 0, `${code} after ${seconds.toFixed(1)} s`);
    await pods[0].start();
    await checkReady(checks, 'single: the pod, anew with its claim', pods);
    await canary.judgeAgain('single: the pod, anew with its claim');
  } finally {
    await canary.stop();
    for (const pod of pods) await pod.stop();
    door.close();
  }
}

/**
 * The services of the chart's defaults do not exist yet: pods live, are not ready, and name the missing
 * services.
 */
export async function withoutServices({ checks, node, manifest }: Omit<Scenario, 'address'>): Promise<void> {
  const pods = [...podsOf(node, manifest).values()].flatMap((replicas) => replicas.slice(0, 1));
  for (const pod of pods) {
    await pod.start();
    try {
      await pod.waitStarted(readyMsMax);
      await eventually(async () => !(await pod.readiness()).text.includes('the process is starting'));
      const { status, text } = await pod.readiness();
      const isTold = status === 503 && text.trim().length > 0;
      if (!isTold) console.log(pod.log());
      checks.check(`defaults: ${pod.name} is not ready, and says why`, isTold, `${status} ${text.trim()}`);
      checks.check(`defaults: ${pod.name} is alive`, await pod.isAlive(), 'by its probe');
    } finally {
      const { code, seconds } = await pod.stop();
      const details = `${code} after ${seconds.toFixed(1)} s`;
      checks.check(`defaults: SIGTERM ends ${pod.name} with 0`, code === 0, details);
    }
  }
}

/**
 * Replaces pods as a rollout does: a Deployment's next pod is ready before the old one stops, a StatefulSet's
 * old one stops first. Pods that run side by side have names of their own, which are also the names of ring
 * members.
 */
async function replaceEach(
  { checks, node, manifest }: Omit<Scenario, 'address'>,
  workloadName: string,
  {
    replicas,
    name,
    generation,
  }: { readonly replicas: Pod[]; readonly name: string; readonly generation: number },
): Promise<void> {
  const workload = manifest.workloads.find((each) => each.metadata.name === workloadName)!;
  for (const [index, old] of [...replicas].entries()) {
    const isSurge = workload.kind === 'Deployment';
    const next = new Pod(node, manifest, workload, isSurge ? `next-${generation}-${index}` : index);
    replicas.push(next);
    if (isSurge) {
      await next.start();
      await next.waitReady(readyMsMax);
    }
    const { code, seconds } = await old.stop();
    const isGood = code === 0 && seconds < old.graceSeconds;
    checks.check(`${name}: ${old.name} ends with 0`, isGood, `${code} after ${seconds.toFixed(1)} s`);
    replicas.splice(replicas.indexOf(old), 1);
    if (!isSurge) await next.start();
    await next.waitReady(readyMsMax);
  }
}

async function checkReady(checks: Checks, name: string, pods: readonly Pod[]): Promise<void> {
  const startMs = performance.now();
  const results = await Promise.allSettled(pods.map((pod) => pod.waitReady(readyMsMax)));
  const failures = results.filter((each) => each.status === 'rejected').map((each) => String(each.reason));
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const details = failures.join('\n') || `${pods.length} after ${seconds} s`;
  checks.check(`${name}: ready`, failures.length === 0, details);
}

function podsOf(node: PodNode, manifest: Manifest): Map<string, Pod[]> {
  // Services of a first installation have images of their own, which the test does not have.
  const ours = manifest.workloads.filter(({ spec }) =>
    spec.template.spec.containers[0].args?.some((arg) => arg.startsWith('-target=')),
  );
  return new Map(
    ours.map((workload) => {
      const count = workload.spec.replicas ?? 1;
      const pods = Array.from({ length: count }, (_, ordinal) => new Pod(node, manifest, workload, ordinal));
      return [workload.metadata.name, pods];
    }),
  );
}

async function serve(manifest: Manifest, address: string, pods: () => Iterable<Pod>): Promise<ServiceProxy> {
  const service = manifest.service('loki-gateway');
  await addAddress(address);
  const proxy = new ServiceProxy(service, 'http', pods);
  await proxy.listen(address, service.spec.ports.find((each) => each.name === 'http')!.port);
  return proxy;
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  while (!(await check()) && Date.now() < deadlineMs) await sleep(250);
}
