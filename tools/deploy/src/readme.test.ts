/**
 * Protects the instructions of the extension's README: each numbered step is a test here, run with the
 * configuration that stands below it, and both languages say the same.
 */
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { configOf, dataSourcesOf, objectNamed, podsOf, testWith } from './test/charts.ts';
import type { KubeObject } from './test/charts.ts';
import { extensionSource, marketplace, removePackedExtension } from './test/extension.ts';

afterAll(removePackedExtension);

interface Step {
  readonly title: string;
  /** Code blocks below it. */
  readonly code: readonly string[];
}

function stepsOf(file: string): Step[] {
  const text = fs.readFileSync(path.join(extensionSource, file), 'utf8');
  return text
    .split(/^(?=\d+\. )/m)
    .slice(1)
    .map((part) => ({
      title: /^\d+\. (.*)/.exec(part)![1],
      code: [...part.matchAll(/^ *```\w+\n([^`]*?)^ *```/gm)].map(([, code]) =>
        code.replace(/^ {3,4}/gm, ''),
      ),
    }));
}

const english = stepsOf('README.md');
const configured = ({ code }: Step): KubeObject => YAML.parse(code[0]) as KubeObject;
const replicasOf = (objects: readonly KubeObject[], kind: string, name: string) =>
  objectNamed(objects, kind, name).spec.replicas;

/** By the number of the step. */
const checks: readonly ((step: Step) => void)[] = [
  () => {
    const objects = marketplace('agent');
    const requests = podsOf(objects).flatMap(({ object, pod }) =>
      Array.from({ length: object.spec.replicas ?? 1 }, () => pod.spec.containers[0].resources.requests),
    );
    const milliCpus = requests.reduce((sum, { cpu }) => sum + Number.parseInt(cpu, 10), 0);
    const mebibytes = requests.reduce((sum, { memory }) => sum + Number.parseInt(memory, 10), 0);
    // Half of 3 nodes of 4 CPUs and 8 GiB: KubeSphere is there as well.
    expect(milliCpus).toBeLessThan(6_000);
    expect(mebibytes).toBeLessThan(12 * 1024);
    expect(JSON.stringify(objects)).not.toMatch(
      /storageClassName|requiredDuringScheduling|DoNotSchedule|<your/,
    );
  },
  (step) => {
    const { hostname } = new URL(configured(step).agent.sinks.loki.endpoint);
    const [service, namespace] = hostname.split('.');
    expect(objectNamed(marketplace('agent'), 'Service', service)).toMatchObject({
      metadata: { namespace },
      spec: { ports: [{ port: 80, targetPort: 'http' }] },
    });
  },
  (step) => {
    const objects = marketplace('host');
    const names = dataSourcesOf(objects).map(({ name }) => name as string);
    expect(names.toSorted()).toEqual([
      'Whizard Auditing',
      'Whizard Events',
      'Whizard Logs',
      'Whizard Notification',
    ]);
    for (const name of names) expect(step.title).toContain(name);
    expect(objectNamed(objects, 'CronJob', 'loki-grafana-datasources').spec.schedule).toBe('*/5 * * * *');
  },
  (step) => {
    const objects = marketplace('agent', { values: configured(step) });
    expect(objects.filter(({ metadata }) => /kafka|redis|minio/.test(metadata.name))).toEqual([]);
    const secrets = objectNamed(objects, 'Deployment', 'loki-distributor').spec.template.spec.containers[0]
      .envFrom;
    expect(secrets.map(({ secretRef }: KubeObject) => secretRef.name)).toEqual([
      'loki-bucket',
      'loki-kafka',
      'loki-redis-password',
    ]);
    expect(configOf(objects)).toMatchObject({
      kafka_config: { sasl_password: '${KAFKA_SASL_PASSWORD}' },
      common: { storage: { s3: { endpoint: 'https://s3.example.com', bucketnames: 'logs' } } },
    });
  },
  (step) => {
    const service = objectNamed(
      marketplace('agent', { values: configured(step) }),
      'Service',
      'loki-gateway',
    );
    expect(service.spec).toMatchObject({ type: 'NodePort', ports: [{ nodePort: 32100 }] });
  },
  (step) => {
    const objects = marketplace('agent', { values: configured(step) });
    expect(replicasOf(objects, 'Deployment', 'loki-querier')).toBe(6);
    expect(configOf(objects).limits_config.retention_period).toBe('720h');
    // Keys that the cluster does not set are as in Extension Config.
    expect(configOf(objects).querier.multi_tenant_queries_enabled).toBe(true);
  },
  (step) => {
    const objects = marketplace('agent', { values: configured(step) });
    expect(
      objectNamed(objects, 'HorizontalPodAutoscaler', 'loki-gateway').spec.metrics[0].resource.name,
    ).toBe('cpu');
    expect(objectNamed(objects, 'ScaledObject', 'loki-querier').spec.triggers[0].metadata.query).toContain(
      'quantile="0.75"',
    );
    for (const name of ['gateway', 'distributor', 'querier']) {
      expect(replicasOf(objects, 'Deployment', `loki-${name}`)).toBeUndefined();
    }
  },
  (step) => {
    const objects = marketplace('agent', { values: configured(step) });
    expect(podsOf(objects).map(({ object }) => object.metadata.name)).toEqual(['loki-single']);
    expect(objectNamed(objects, 'Service', 'loki-gateway').spec.selector['app.kubernetes.io/component']).toBe(
      'single',
    );
  },
  (step) => {
    const overrides = objectNamed(
      marketplace('agent', { values: configured(step) }),
      'ConfigMap',
      'loki-overrides',
    ).data['overrides.yaml'];
    expect(YAML.parse(overrides as string)).toEqual({ overrides: configured(step).loki.overrides });
  },
  (step) => {
    const objects = marketplace('agent', { values: configured(step) });
    const { endpoints } = objectNamed(objects, 'ServiceMonitor', 'loki').spec;
    expect(endpoints[0]).toMatchObject({ port: 'http-metrics' });
    expect(JSON.stringify(endpoints)).toContain('member-1');
    expect(objectNamed(objects, 'PrometheusRule', 'loki').spec).toBeDefined();
  },
  () => {
    const hook = objectNamed(marketplace('host'), 'Job', 'loki-grafana-remove');
    expect(hook.metadata.annotations!['helm.sh/hook']).toBe('pre-delete');
    expect(hook.spec.activeDeadlineSeconds).toBeLessThan(300);
    expect(hook.spec.template.spec.containers[0].args).toContain('-grafana-provision.best-effort=true');
    for (const { spec } of marketplace('agent').filter(({ kind }) => kind === 'StatefulSet')) {
      if (spec.volumeClaimTemplates) {
        expect(spec.persistentVolumeClaimRetentionPolicy.whenDeleted).toBe('Retain');
      }
    }
  },
  (step) => {
    const [, key, value] = /--selector (\S+)=(\S+)/.exec(step.code[0])!;
    const claiming = marketplace('agent').filter(({ spec }) => spec?.volumeClaimTemplates);
    expect(claiming.length).toBeGreaterThan(2);
    // Claims have the labels of their StatefulSet's selector.
    for (const { spec } of claiming) expect(spec.selector.matchLabels[key]).toBe(value);
  },
];

testWith('helm4').each(english.map((step, index) => [step.title, step, checks[index]] as const))(
  '%s',
  (_title, step, check) => check(step),
);

test('each step has its check', () => {
  expect(checks).toHaveLength(english.length);
});

test.each([
  ['README.md', 'README_zh.md'],
  ['CHANGELOG.md', 'CHANGELOG_zh.md'],
])('%s and %s have the same parts', (first, second) => {
  const shape = (file: string) => {
    const text = fs.readFileSync(path.join(extensionSource, file), 'utf8');
    return {
      headings: [...text.matchAll(/^#+ /gm)].map(([marks]) => marks),
      items: [...text.matchAll(/^(?:-|\d+\.) /gm)].length,
    };
  };
  expect(shape(second)).toEqual(shape(first));
  expect(stepsOf(second).map(({ code }) => code)).toEqual(stepsOf(first).map(({ code }) => code));
});
