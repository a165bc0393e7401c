/**
 * Protects the installation by KubeSphere's Marketplace: its command line, its rules, and what its package
 * may be.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import type { Part } from './marketplace.ts';
import { containersOf, nameOf, podsOf, programs, render, root, runProgram, testWith } from './test/charts.ts';
import type { KubeObject } from './test/charts.ts';
import {
  extensionSource,
  marketplace,
  packedExtension,
  postRender,
  readExtension,
  removePackedExtension,
} from './test/extension.ts';
import { expectGolden, settled, textOf } from './test/golden.ts';

afterAll(removePackedExtension);

const parts: readonly Part[] = ['host', 'agent'];
const label = 'kubesphere.io/extension-ref';
const read = (file: string) => fs.readFileSync(path.join(extensionSource, file), 'utf8');

describe.each(['helm3', 'helm4'] as const)('%s', (helm) => {
  testWith(helm)('the host gets data sources, and each selected cluster the system', () => {
    const kinds = (part: Part) => new Set(marketplace(part, { helm }).map(({ kind }) => kind));
    expect(kinds('host')).toEqual(
      new Set(['ServiceAccount', 'ConfigMap', 'Role', 'RoleBinding', 'CronJob', 'Job']),
    );
    expect(kinds('agent')).toContain('StatefulSet');
    expect(kinds('agent')).not.toContain('CronJob');
    const [host, agent] = parts.map((part) => marketplace(part, { helm }).map(nameOf));
    expect(host.filter((name) => agent.includes(name))).toEqual([]);
  });

  testWith(helm)('the host’s part renders as it did', () => {
    expectGolden('kubesphere-host', settled(marketplace('host', { helm })).map(textOf).join('---\n'));
  });

  testWith(helm)('a member’s part renders as it did', () => {
    const objects = settled(marketplace('agent', { helm }));
    const kept = objects.filter(({ kind }) => ['ConfigMap', 'Service', 'NetworkPolicy'].includes(kind));
    expectGolden('kubesphere-member', kept.map(textOf).join('---\n'));
  });

  testWith(helm).each(parts)(
    'lint: a registry is in every image and a node selector in every pod (%s)',
    (part) => {
      const registry = `r${process.pid}.example.com/mirror`;
      const objects = marketplace(part, {
        helm,
        sets: [`global.imageRegistry=${registry}`, 'global.nodeSelector.lint=yes'],
      });
      const pods = podsOf(objects);
      expect(pods.length).toBeGreaterThan(2);
      for (const { pod } of pods) {
        expect(pod.spec.nodeSelector.lint).toBe('yes');
        for (const { image } of containersOf(pod)) expect(image.startsWith(`${registry}/`)).toBe(true);
      }
    },
  );

  testWith(helm)('Helm’s own lint has no fault', () => {
    expect(runProgram(programs[helm].path, ['lint', packedExtension()])).toContain('0 chart(s) failed');
  });
});

testWith('helm4', 'kubectl').each(parts)(
  'the post-renderer labels every object and loses none (%s)',
  (part) => {
    const objects = marketplace(part);
    const hooks = objects.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']);
    const rendered = postRender(objects);
    expect(rendered.map(nameOf).toSorted()).toEqual(
      objects
        .filter((each) => !hooks.includes(each))
        .map(nameOf)
        .toSorted(),
    );
    for (const { metadata } of [...rendered, ...hooks]) expect(metadata.labels?.[label]).toBe('loki');
  },
);

testWith('helm4')('every object is allowed by permissions.yaml, and nothing there is for nothing', () => {
  const documents = YAML.parseAllDocuments(read('permissions.yaml')).map((each) => each.toJS() as KubeObject);
  const rules = documents.flatMap(({ kind, rules: own }) =>
    (own as Rule[]).map((rule) => ({ ...rule, scope: kind })),
  );
  expect(JSON.stringify(rules)).not.toContain('*');
  const used = new Set<string>();
  const given = ['', 'apps', 'batch', 'policy', 'networking.k8s.io', 'autoscaling'];
  const values = {
    loki: {
      monitoring: { serviceMonitor: { enabled: true }, rules: { enabled: true } },
      querier: { keda: { enabled: true } },
    },
  };
  for (const { apiVersion, kind, metadata, rules: granted } of parts.flatMap((part) =>
    marketplace(part, { values }),
  )) {
    const group = (apiVersion as string).includes('/') ? (apiVersion as string).split('/')[0] : '';
    const resource = `${kind.toLowerCase()}s`;
    const isHere = metadata.namespace === 'loki';
    if (!(isHere && given.includes(group))) {
      const rule = rules.find(
        (each) =>
          each.apiGroups.includes(group) &&
          each.resources.includes(resource) &&
          (isHere || each.scope === 'ClusterRole'),
      );
      expect([kind, metadata.namespace, rule?.verbs.length]).toEqual([kind, metadata.namespace, 6]);
      used.add(`${group}/${resource}`);
    }
    // Kubernetes lets an account grant what it holds.
    for (const grant of (granted ?? []) as Rule[]) {
      expect(
        rules.some(
          (each) =>
            JSON.stringify([each.apiGroups, each.resources, each.resourceNames, each.verbs]) ===
            JSON.stringify([grant.apiGroups, grant.resources, grant.resourceNames, grant.verbs]),
        ),
      ).toBe(true);
      used.add(`${grant.apiGroups[0]}/${grant.resources[0]}`);
    }
  }
  const offered = rules.flatMap(({ apiGroups, resources }) =>
    resources.map((each) => `${apiGroups[0]}/${each}`),
  );
  expect(offered.filter((each) => !used.has(each))).toEqual([]);
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

testWith('helm4')('extension.yaml names the images of the defaults, and no others', () => {
  const images = parts.flatMap((part) =>
    podsOf(marketplace(part, { sets: ['global.imageRegistry='] })).flatMap(({ pod }) =>
      containersOf(pod).map(({ image }) => image as string),
    ),
  );
  expect([...(readExtension().images as string[])].toSorted()).toEqual([...new Set(images)].toSorted());
});

test('extension.yaml has the fields that the validator requires', () => {
  const extension = readExtension();
  for (const key of [
    'apiVersion',
    'name',
    'version',
    'displayName',
    'description',
    'category',
    'provider',
    'icon',
  ]) {
    expect([key, Boolean(extension[key])]).toEqual([key, true]);
  }
  expect(extension).toMatchObject({
    apiVersion: 'kubesphere.io/v1alpha1',
    name: 'loki',
    namespace: 'loki',
    category: 'observability',
    installationMode: 'Multicluster',
    staticFileDirectory: 'static',
  });
  for (const map of ['displayName', 'description', 'provider']) {
    expect(Object.keys(extension[map])).toEqual(['en', 'zh']);
  }
  expect(extension.version).toMatch(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/);
  expect([extension.kubeVersion, extension.ksVersion].every((range: string) => range.endsWith('-0'))).toBe(
    true,
  );
  expect(fs.statSync(path.join(extensionSource, extension.icon)).size).toBeLessThanOrEqual(10 * 1024);
  expect(extension.dependencies).toEqual([
    { name: 'loki', tags: ['agent'] },
    { name: 'loki-grafana', tags: ['extension'] },
  ]);
});

test('all charts have the version of package.json', () => {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const charts = ['loki', 'loki-grafana'].map(
    (name) =>
      YAML.parse(fs.readFileSync(path.join(root, 'deploy/helm', name, 'Chart.yaml'), 'utf8')) as KubeObject,
  );
  expect(charts.flatMap((chart) => [chart.version, chart.appVersion])).toEqual([
    version,
    version,
    version,
    version,
  ]);
  expect(readExtension().version).toBe(version);
});

test('the package has every file, and fits into a ConfigMap twice', () => {
  const directory = packedExtension();
  const wanted = [
    'Chart.yaml',
    'extension.yaml',
    'permissions.yaml',
    'values.yaml',
    'README.md',
    'README_zh.md',
    'CHANGELOG.md',
    'CHANGELOG_zh.md',
    'LICENSE',
    '.helmignore',
    'static/loki.svg',
    'charts/loki/Chart.yaml',
    'charts/loki-grafana/Chart.yaml',
  ];
  expect(wanted.filter((file) => !fs.existsSync(path.join(directory, file)))).toEqual([]);
  const archive = execFileSync('tar', ['czf', '-', '-C', path.dirname(directory), path.basename(directory)], {
    maxBuffer: 2 ** 26,
  });
  expect(archive.length).toBeLessThanOrEqual(512 * 1024);
});

testWith('helm4')(
  'each key of the extension’s values is one of its charts, with the chart’s own default or a reason',
  () => {
    const extension = YAML.parse(read('values.yaml')) as KubeObject;
    for (const name of ['loki', 'loki-grafana']) {
      const chart = path.join(root, 'deploy/helm', name);
      // A key that the chart does not have is refused by its schema.
      expect(render({ chart, values: extension[name] }).length).toBeGreaterThan(3);
    }
  },
);

test('charts render alone with the keys that KubeSphere fills', () => {
  for (const name of ['loki', 'loki-grafana']) {
    const values = YAML.parse(
      fs.readFileSync(path.join(root, 'deploy/helm', name, 'values.yaml'), 'utf8'),
    ) as KubeObject;
    expect(Object.keys(values.global)).toEqual(
      expect.arrayContaining(['imageRegistry', 'imagePullSecrets', 'nodeSelector']),
    );
  }
});
