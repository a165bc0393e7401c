/**
 * The namespace has a quota and refuses unrestricted pods; network policies allow only the intended
 * connections.
 */
import { grafanaNamespace, namespace } from './account.ts';
import { listOf } from './control-plane.ts';
import { chart } from './lifecycle.ts';
import { mayConnect } from './policies.ts';
import type { Endpoint } from './policies.ts';
import type { Values } from './release.ts';
import type { World } from './world.ts';

const quota = {
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'quota', namespace },
  spec: {
    hard: {
      pods: '60',
      'requests.cpu': '10',
      'requests.memory': '30Gi',
      'limits.memory': '60Gi',
      persistentvolumeclaims: '20',
      'requests.storage': '1Ti',
    },
  },
};

const modes: readonly [name: string, values: Values][] = [
  ['defaults', { ruler: { replicas: 1 } }],
  ['zones and claims', { ingester: { zones: ['a', 'b', 'c'], persistence: { enabled: true } } }],
  ['single', { mode: 'single' }],
];

export async function checkAdmission(world: World): Promise<void> {
  const { checks, plane, kubeconfig } = world;
  await plane.apply(quota);
  await controls(world);
  for (const [name, values] of world.isBrief ? modes.slice(0, 1) : modes) {
    await plane.api.request('DELETE', `/api/v1/namespaces/${namespace}/events`);
    const { isGood, text } = await world.helm.upgrade('loki', chart, { helm: 'helm4', kubeconfig, values });
    const events = await plane.api.list(`/api/v1/namespaces/${namespace}/events`);
    const refused = events
      .filter(({ reason }) => reason === 'FailedCreate')
      .map(({ message }) => String(message));
    checks.check(
      `admission, ${name}: every pod passes the restricted standard and the quota`,
      isGood && refused.length === 0,
      isGood ? refused.join('; ') : text.slice(-500),
    );
    await checkPolicies(world, name);
    await world.helm.clear();
  }
  await plane.kubectl(['delete', 'resourcequota', 'quota', `--namespace=${namespace}`]);
}

/** Pods that must be refused: they prove that the admission is in effect. */
async function controls({ checks, plane }: World): Promise<void> {
  const resources = { requests: { cpu: '1', memory: '1Mi' }, limits: { memory: '1Mi' } };
  const restricted = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
  const pods: [string, RegExp, object][] = [
    ['a pod that may run as root', /violates PodSecurity "restricted/, { resources }],
    ['a pod without a memory limit', /must specify limits\.memory/, { securityContext: restricted }],
  ];
  for (const [name, words, fields] of pods) {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'control', namespace },
      spec: { containers: [{ name: 'c', image: 'i', ...fields }] },
    };
    const create = ['create', '--filename', '-'];
    const { isGood, text } = await plane.kubectlAs(plane.kubeconfig, create, listOf([pod]));
    checks.check(`admission: ${name} is refused`, !isGood && words.test(text), words.test(text) ? '' : text);
  }
}

/** Connections between running pods, by the policies of the API server. */
async function checkPolicies({ checks, plane }: World, name: string): Promise<void> {
  const policies = await plane.api.list(`/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`);
  const pods = await plane.api.list(`/api/v1/namespaces/${namespace}/pods`);
  const ours = new Map<string, Endpoint>();
  for (const { metadata } of pods) {
    const component = metadata.labels?.['app.kubernetes.io/component'] ?? '';
    ours.set(component, endpoint(namespace, metadata.labels ?? {}));
  }
  const outside = {
    client: endpoint('shop', { app: 'client' }),
    monitoring: endpoint(grafanaNamespace, { app: 'prometheus' }),
    stranger: endpoint(namespace, { app: 'stranger' }),
  };
  const ends = new Map([...Object.entries(outside), ...ours]);
  const door = ours.has('single') ? 'single' : 'gateway';
  const services = new Map([
    ['kafka', 9092],
    ['redis', 6379],
    ['minio', 9000],
  ]);
  const processes = [...ours.keys()].filter((name) => !services.has(name));
  const faults: string[] = [];
  let count = 0;
  const expectLink = (from: string, to: string, port: number, isAllowed: boolean): void => {
    count++;
    const link = { from: ends.get(from)!, to: ends.get(to)!, port };
    if (mayConnect(policies, link) === isAllowed) return;
    faults.push(`${from} to ${to}:${port} should be ${isAllowed ? 'allowed' : 'denied'}`);
  };
  for (const [service, port] of services) {
    if (!ours.has(service)) continue;
    for (const from of processes) expectLink(from, service, port, true);
    for (const from of Object.keys(outside)) expectLink(from, service, port, false);
  }
  for (const to of processes) {
    for (const from of processes) expectLink(from, to, 9095, true);
    for (const from of ['client', 'stranger']) {
      expectLink(from, to, 3100, to === door);
      expectLink(from, to, 9095, false);
      expectLink(from, to, 3101, false);
    }
    expectLink('monitoring', to, 3101, true);
  }
  checks.check(
    `policies, ${name}: ${count} connections, each allowed or denied as it shall be`,
    faults.length === 0 && count > 5,
    faults.join('; '),
  );
}

function endpoint(of: string, labels: Readonly<Record<string, string>>): Endpoint {
  return { namespace: of, namespaceLabels: { 'kubernetes.io/metadata.name': of }, labels };
}
