/** Protects §5.1 of the chart: every value of a component reaches its object, in every component. */
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { charts, configOf, containersOf, objectNamed, render, testWith } from './test/charts.ts';
import type { KubeObject } from './test/charts.ts';

const distributed = ['gateway', 'distributor', 'ingester', 'querier', 'compactor', 'ruler'] as const;
const components = [...distributed, 'single'] as const;
type Component = (typeof components)[number];
const stateful: readonly Component[] = ['ingester', 'compactor', 'single'];

/** Where a value must appear: in the workload, its pod, or its first container. */
type Place = (seen: Seen) => unknown;

interface Seen {
  readonly component: Component;
  readonly objects: readonly KubeObject[];
  readonly workload: KubeObject;
  readonly pod: KubeObject;
  readonly container: KubeObject;
}

const probe = { httpGet: { path: '/healthz', port: 'http-metrics' }, periodSeconds: 7 };
const sidecar = { name: 'beside', image: 'example.com/beside:1' };
const service = ({ component, objects }: Seen) =>
  objectNamed(objects, 'Service', `loki-${component === 'single' ? 'gateway' : component}`);
const budget = ({ component, objects }: Seen) =>
  objectNamed(objects, 'PodDisruptionBudget', `loki-${component}`);
const isStateful = ({ component }: Seen) => stateful.includes(component);
const claimOf = (seen: Seen): KubeObject =>
  isStateful(seen)
    ? seen.workload.spec.volumeClaimTemplates[0]
    : seen.pod.spec.volumes.find(({ name }: { name: string }) => name === 'data').ephemeral
        .volumeClaimTemplate;

const values: readonly [key: string, value: unknown, place: Place, expected?: unknown][] = [
  [
    'resources',
    { requests: { cpu: '3', memory: '5Gi' } },
    ({ container }) => container.resources.requests,
    { cpu: '3', memory: '5Gi' },
  ],
  ['image.registry', 'mirror.example.com', ({ container }) => container.image.split('/')[0]],
  ['image.repository', 'a/b', ({ container }) => container.image, 'docker.io/a/b:0.1.0'],
  ['image.tag', 'v7', ({ container }) => container.image.split(':').at(-1)],
  ['image.digest', `sha256:${'0'.repeat(64)}`, ({ container }) => container.image.split('@')[1]],
  ['image.pullPolicy', 'Always', ({ container }) => container.imagePullPolicy],
  ['extraArgs', ['-log.level=debug'], ({ container }) => container.args.slice(-1)],
  ['extraEnv', [{ name: 'A', value: 'b' }], ({ container }) => container.env.slice(-1)],
  ['extraEnvFrom', [{ secretRef: { name: 's' } }], ({ container }) => container.envFrom.slice(-1)],
  ['extraVolumes', [{ name: 'v', emptyDir: {} }], ({ pod }) => pod.spec.volumes.slice(-1)],
  [
    'extraVolumeMounts',
    [{ name: 'v', mountPath: '/v' }],
    ({ container }) => container.volumeMounts.slice(-1),
  ],
  ['extraContainers', [sidecar], ({ pod }) => pod.spec.containers.slice(1)],
  ['initContainers', [sidecar], ({ pod }) => pod.spec.initContainers],
  ['podAnnotations', { a: 'b' }, ({ pod }) => pod.metadata.annotations?.['a'], 'b'],
  ['podLabels', { a: 'b' }, ({ pod }) => pod.metadata.labels?.['a'], 'b'],
  ['serviceAnnotations', { a: 'b' }, (seen) => service(seen).metadata.annotations, { a: 'b' }],
  ['serviceLabels', { a: 'b' }, (seen) => service(seen).metadata.labels?.['a'], 'b'],
  ['serviceType', 'NodePort', (seen) => service(seen).spec.type],
  ['nodeSelector', { disk: 'ssd' }, ({ pod }) => pod.spec.nodeSelector],
  ['tolerations', [{ key: 'logs', operator: 'Exists' }], ({ pod }) => pod.spec.tolerations],
  ['affinity', { nodeAffinity: {} }, ({ pod }) => pod.spec.affinity],
  [
    'topologySpreadConstraints',
    [{ topologyKey: 'rack', maxSkew: 2, whenUnsatisfiable: 'DoNotSchedule' }],
    ({ pod }) =>
      pod.spec.topologySpreadConstraints.map((each: KubeObject) => [
        each.topologyKey,
        each.labelSelector.matchLabels['app.kubernetes.io/name'],
      ]),
    [['rack', 'loki']],
  ],
  ['priorityClassName', 'high', ({ pod }) => pod.spec.priorityClassName],
  ['hostAliases', [{ ip: '192.0.2.1', hostnames: ['a'] }], ({ pod }) => pod.spec.hostAliases],
  ['dnsConfig', { options: [{ name: 'ndots', value: '2' }] }, ({ pod }) => pod.spec.dnsConfig],
  ['terminationGracePeriodSeconds', 77, ({ pod }) => pod.spec.terminationGracePeriodSeconds],
  ['livenessProbe', probe, ({ container }) => container.livenessProbe.periodSeconds, 7],
  ['readinessProbe', probe, ({ container }) => container.readinessProbe.periodSeconds, 7],
  ['startupProbe', probe, ({ container }) => container.startupProbe.periodSeconds, 7],
  ['lifecycle', { preStop: { exec: { command: ['x'] } } }, ({ container }) => container.lifecycle],
  [
    'updateStrategy.type',
    'OnDelete',
    ({ workload }) => (workload.spec.updateStrategy ?? workload.spec.strategy).type,
  ],
  ['podSecurityContext.runAsUser', 7, ({ pod }) => pod.spec.securityContext.runAsUser],
  ['containerSecurityContext.runAsUser', 7, ({ container }) => container.securityContext.runAsUser],
  [
    'persistence',
    { enabled: true, storageClass: 'fast', size: '7Gi' },
    (seen) => [claimOf(seen).spec.storageClassName, claimOf(seen).spec.resources.requests.storage],
    ['fast', '7Gi'],
  ],
  [
    'config',
    { server: { log_level: 'debug' } },
    ({ component, objects }) => configOf(objects, `${component}.yaml`).server.log_level,
    'debug',
  ],
  [
    'pdb',
    { enabled: false },
    ({ objects, component }) =>
      objects.filter(
        ({ kind, metadata }) => kind === 'PodDisruptionBudget' && metadata.name === `loki-${component}`,
      ),
    [],
  ],
];

/** Values of workloads of several pods, which mode single is not. */
const valuesOfMany: typeof values = [
  ['replicas', 5, ({ workload }) => workload.spec.replicas],
  ['pdb.maxUnavailable', 2, (seen) => budget(seen).spec.maxUnavailable],
  [
    'pdb.minAvailable',
    1,
    (seen) => [budget(seen).spec.minAvailable, budget(seen).spec.maxUnavailable],
    [1, undefined],
  ],
  ...(['minReplicas', 'maxReplicas'] as const).map((key): (typeof values)[number] => [
    'autoscaling',
    { enabled: true, targetCPUUtilizationPercentage: 55, [key]: 6 },
    ({ component, objects, workload }) => [
      objectNamed(objects, 'HorizontalPodAutoscaler', `loki-${component}`).spec[key],
      workload.spec.replicas,
    ],
    [6, undefined],
  ]),
  [
    'autoscaling',
    {
      enabled: true,
      targetCPUUtilizationPercentage: 55,
      targetMemoryUtilizationPercentage: 66,
      customMetrics: [{ type: 'Pods' }],
      minReplicas: 3,
    },
    ({ component, objects }) =>
      objectNamed(objects, 'HorizontalPodAutoscaler', `loki-${component}`).spec.metrics.map(
        ({ type, resource }: KubeObject) => resource?.target.averageUtilization ?? type,
      ),
    [55, 66, 'Pods'],
  ],
  [
    'autoscaling',
    {
      enabled: true,
      targetCPUUtilizationPercentage: 55,
      minReplicas: 3,
      behavior: { scaleDown: { selectPolicy: 'Disabled' } },
    },
    ({ component, objects }) =>
      objectNamed(objects, 'HorizontalPodAutoscaler', `loki-${component}`).spec.behavior.scaleDown
        .selectPolicy,
    'Disabled',
  ],
  [
    'keda',
    {
      enabled: true,
      pollingInterval: 7,
      cooldownPeriod: 8,
      minReplicas: 4,
      maxReplicas: 9,
      triggers: [{ type: 'cron', metadata: {} }],
    },
    ({ component, objects }) => {
      const { spec } = objectNamed(objects, 'ScaledObject', `loki-${component}`);
      return [
        spec.pollingInterval,
        spec.cooldownPeriod,
        spec.minReplicaCount,
        spec.maxReplicaCount,
        spec.triggers[0].type,
      ];
    },
    [7, 8, 4, 9, 'cron'],
  ],
];

function nested(key: string, value: unknown): Record<string, unknown> {
  const [name, ...rest] = key.split('.');
  return { [name]: rest.length === 0 ? value : nested(rest.join('.'), value) };
}

/** Renders the value for all components of the mode at once, and looks at each. */
function see(mode: 'distributed' | 'single', own: object): Seen[] {
  const names = mode === 'single' ? (['single'] as const) : distributed;
  const objects = render({ values: { mode, ...Object.fromEntries(names.map((name) => [name, own])) } });
  return names.map((component) => {
    const kind = stateful.includes(component) ? 'StatefulSet' : 'Deployment';
    const workload = objectNamed(objects, kind, `loki-${component}`);
    const pod = workload.spec.template as KubeObject;
    return { component, objects, workload, pod, container: pod.spec.containers[0] };
  });
}

const titled = (rows: typeof values) => rows.map((row) => [row[0], JSON.stringify(row[1]), row] as const);

testWith('helm4').each(titled(values))(
  '%s: %s reaches every component',
  (_key, _text, [key, value, place, expected = value]) => {
    for (const seen of [...see('distributed', nested(key, value)), ...see('single', nested(key, value))]) {
      expect([seen.component, place(seen)]).toEqual([seen.component, expected]);
    }
  },
);

testWith('helm4').each(titled(valuesOfMany))(
  '%s: %s reaches every component',
  (_key, _text, [key, value, place, expected = value]) => {
    for (const seen of see('distributed', { replicas: 3, ...nested(key, value) })) {
      expect([seen.component, place(seen)]).toEqual([seen.component, expected]);
    }
  },
);

testWith('helm4')('claims of StatefulSets go when the values say so', () => {
  const persistence = { enabled: true, whenDeleted: 'Delete', whenScaled: 'Delete' };
  for (const seen of [...see('distributed', { persistence }), ...see('single', { persistence })].filter(
    isStateful,
  )) {
    expect(seen.workload.spec.persistentVolumeClaimRetentionPolicy).toEqual({
      whenDeleted: 'Delete',
      whenScaled: 'Delete',
    });
  }
});

testWith('helm4')('every key of a component has a row above', () => {
  const { defaults } = YAML.parse(fs.readFileSync(path.join(charts.loki, 'values.yaml'), 'utf8')) as {
    defaults: object;
  };
  const rows = new Set([...values, ...valuesOfMany].map(([key]) => key.split('.')[0]));
  expect(Object.keys(defaults).filter((key) => !rows.has(key))).toEqual([]);
});

testWith('helm4')('what all components have reaches each of them', () => {
  const objects = render({ values: { defaults: { priorityClassName: 'high' } } });
  for (const component of distributed) {
    const kind = stateful.includes(component) ? 'StatefulSet' : 'Deployment';
    expect(objectNamed(objects, kind, `loki-${component}`).spec.template.spec.priorityClassName).toBe('high');
  }
});

testWith('helm4')('global.imageRegistry is in every container and global.nodeSelector in every pod', () => {
  const containers = [
    { name: 'x', image: 'busybox' },
    { name: 'y', image: 'ghcr.io/a/b:1' },
  ];
  const objects = render({
    values: {
      global: {
        imageRegistry: 'mirror.example.com/x',
        nodeSelector: { a: 'b' },
        imagePullSecrets: [{ name: 'pull' }],
      },
      defaults: { extraContainers: containers, initContainers: containers },
    },
  });
  const pods = objects
    .filter(({ kind }) => ['Deployment', 'StatefulSet'].includes(kind))
    .map(({ spec }) => spec.template as KubeObject);
  expect(pods).toHaveLength(9);
  for (const pod of pods) {
    expect(pod.spec.nodeSelector).toEqual({ a: 'b' });
    expect(pod.spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
    for (const { image } of containersOf(pod)) expect(image).toMatch(/^mirror\.example\.com\/x\/(?!ghcr)/);
  }
});

testWith('helm4')('a change of the configuration restarts the components that read it, and no others', () => {
  const checksums = (values: unknown) =>
    Object.fromEntries(
      render({ values }).flatMap(({ metadata, spec }) => {
        const checksum = spec?.template?.metadata.annotations?.['checksum/config'];
        return checksum ? [[metadata.name, checksum]] : [];
      }),
    );
  const before = checksums({});
  const changed = (values: unknown) =>
    Object.entries(checksums(values)).flatMap(([name, checksum]) => (checksum === before[name] ? [] : name));
  expect(changed({ querier: { config: { querier: { max_concurrent: 2 } } } })).toEqual(['loki-querier']);
  expect(changed({ overrides: { a: { ingestion_rate_mb: 1 } } })).toEqual([]);
  expect(changed({ loki: { config: { querier: { max_concurrent: 2 } } } })).toHaveLength(6);
});
