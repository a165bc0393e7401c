/** Protects the installation: Kubernetes 1.25 to 1.37 take every object, and objects fit each other. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { charts, nameOf, podsOf, programs, render, runProgram, testWith } from './test/charts.ts';
import type { KubeObject, RenderOptions } from './test/charts.ts';

const versions = Array.from({ length: 13 }, (_, index) => `1.${25 + index}`);
const customGroups = ['monitoring.coreos.com', 'keda.sh', 'grafana.integreatly.org'];
const renders: readonly [name: string, options: RenderOptions][] = [
  ['the defaults', {}],
  ['data sources of Grafana', { chart: charts.grafana, release: 'loki' }],
  ...['single', 'external', 'ha', 'zones', 'hpa', 'keda', 'monitoring'].map(
    (file): [string, RenderOptions] => [file, { files: [file] }],
  ),
];

const isCustom = ({ apiVersion }: KubeObject) => customGroups.includes((apiVersion as string).split('/')[0]);

testWith('helm4', 'schemas')('Kubernetes 1.25 to 1.37 takes every object of every render', () => {
  const script = path.join(import.meta.dirname, 'test/validate.py');
  // The chart leaves out a field that is unknown below 1.27.
  for (const [cluster, of] of [
    ['1.25.0', versions.slice(0, 2)],
    ['1.27.0', versions.slice(2)],
  ] as const) {
    const objects = renders
      .flatMap(([, options]) => render({ ...options, flags: ['--kube-version', cluster] }))
      .filter((object) => !isCustom(object));
    const distinct = [...new Set(objects.map((object) => JSON.stringify(object)))];
    expect(distinct.length).toBeGreaterThan(100);
    expect(runProgram(programs.schemas.path, [script, ...of], `[${distinct.join()}]`)).toBe('');
  }
});

testWith('helm4', 'models')('operators take their objects', () => {
  const objects = ['monitoring', 'keda'].flatMap((file) => render({ files: [file] }).filter(isCustom));
  expect(new Set(objects.map(({ kind }) => kind))).toEqual(
    new Set(['ServiceMonitor', 'PrometheusRule', 'ScaledObject']),
  );
  const script = `
    import fs from 'node:fs';
    for (const object of JSON.parse(fs.readFileSync(0, 'utf8'))) {
      const group = object.apiVersion.split('/')[0];
      const name = group === 'keda.sh' ? 'keda' : 'prometheus-operator';
      const models = await import('@kubernetes-models/' + name + '/' + object.apiVersion);
      new models[object.kind](object).validate();
    }`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: programs.models.path,
    encoding: 'utf8',
    input: JSON.stringify(objects),
  });
  expect([status, stderr]).toEqual([0, '']);
});

describe.each(renders)('%s', (_name, options) => {
  testWith('helm4')('has no object twice, and a namespace in each', () => {
    const objects = render(options);
    const names = objects.map(nameOf);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(objects.filter(({ metadata }) => metadata.namespace === undefined)).toEqual([]);
  });

  testWith('helm4')(
    'has Services, budgets and policies that select pods, and autoscalers of workloads',
    () => {
      const objects = render(options);
      const pods = podsOf(objects).map(({ pod }) => pod.metadata.labels ?? {});
      const selects = (labels: Record<string, string>) =>
        pods.some((pod) => Object.entries(labels).every(([key, value]) => pod[key] === value));
      for (const object of objects) {
        const selector = {
          Service: object.spec?.selector,
          PodDisruptionBudget: object.spec?.selector?.matchLabels,
          NetworkPolicy: object.spec?.podSelector?.matchLabels,
        }[object.kind];
        if (selector) expect([nameOf(object), selects(selector)]).toEqual([nameOf(object), true]);
        const target = object.spec?.scaleTargetRef;
        if (target) {
          const scaled = objects.find(
            ({ kind, metadata }) => kind === target.kind && metadata.name === target.name,
          );
          expect(scaled && !('replicas' in scaled.spec)).toBe(true);
        }
      }
    },
  );

  testWith('helm4')(
    'has StatefulSets whose Service is there, and claims with the name of their component',
    () => {
      const objects = render(options);
      for (const { kind, spec, metadata } of objects) {
        if (kind !== 'StatefulSet') continue;
        const service = objects.find(
          (each) => each.kind === 'Service' && each.metadata.name === spec.serviceName,
        );
        expect(service?.spec.clusterIP).toBe('None');
        expect(spec.selector.matchLabels).toMatchObject({
          'app.kubernetes.io/component': expect.any(String),
        });
        expect(metadata.name).toContain(spec.selector.matchLabels['app.kubernetes.io/component']);
      }
    },
  );

  testWith('helm4')('allows one pod of several to be away, and does not hold a node for a single one', () => {
    const objects = render(options);
    for (const { metadata, spec } of objects.filter(({ kind }) => kind === 'PodDisruptionBudget')) {
      expect(spec.maxUnavailable).toBeGreaterThan(0);
      const workloads = objects.filter(
        (each) =>
          each.spec?.template &&
          each.metadata.labels?.['app.kubernetes.io/component'] ===
            metadata.labels?.['app.kubernetes.io/component'],
      );
      const replicas = workloads.reduce((sum, each) => sum + (each.spec.replicas ?? 2), 0);
      expect(replicas).toBeGreaterThan(1);
    }
  });
});

testWith('helm4')('immutable fields do not depend on replicas, images or configuration', () => {
  const immutable = (options: RenderOptions) =>
    render(options).flatMap(({ kind, metadata, spec }) =>
      kind === 'StatefulSet'
        ? [
            [
              metadata.name,
              spec.serviceName,
              spec.selector,
              spec.podManagementPolicy,
              spec.volumeClaimTemplates,
            ],
          ]
        : kind === 'Deployment'
          ? [[metadata.name, spec.selector]]
          : [],
    );
  const values = {
    defaults: { image: { tag: 'next' }, podLabels: { a: 'b' } },
    ingester: { replicas: 9 },
    loki: { config: { limits_config: { ingestion_rate_mb: 1 } } },
    kafka: { image: { tag: 'next' } },
  };
  expect(immutable({ values })).toEqual(immutable({}));
});
