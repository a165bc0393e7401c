/**
 * Protects deploy/compose: what its files name is there, every image has a version, no port is open to other
 * machines, every process of ours is probed, and the product takes its configuration.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { root } from './test/charts.ts';
import { compose, composeDirectory, configFile, ownServices, readCompose } from './test/compose.ts';

describe.each(['compose.yaml', 'compose.distributed.yaml'])('%s', (file) => {
  const { services, volumes } = compose(file);

  test('images have versions, ports are this machine’s, services depended on are there', () => {
    for (const [name, { image, ports, depends_on: dependencies }] of Object.entries(services)) {
      expect([name, image]).toEqual([name, expect.stringMatching(/^docker\.io\/\S+:(?!latest)\S+$/)]);
      for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
      for (const other of Object.keys(dependencies ?? {})) expect(services).toHaveProperty(other);
    }
  });

  test('mounts are files of the tree or named volumes, and each volume is used', () => {
    const used = new Set<string>();
    for (const mount of Object.values(services).flatMap((service) => service.volumes ?? [])) {
      const [source] = mount.split(':');
      if (source.startsWith('.')) {
        expect([source, fs.existsSync(path.join(composeDirectory, source))]).toEqual([source, true]);
      } else {
        used.add(source);
      }
    }
    expect([...used].sort()).toEqual(Object.keys(volumes).sort());
  });

  test('each process of ours is probed, and takes its flags and configuration', () => {
    const own = ownServices(file);
    expect(own.length).toBeGreaterThan(0);
    for (const [name, service] of own) {
      expect([name, service.healthcheck?.test]).toEqual([
        name,
        expect.arrayContaining(['lokictl', 'services']),
      ]);
      const [app, ...flags] = service.command!.map((each) =>
        each.replace('/etc/loki/loki.yaml', configFile(service)),
      );
      const args = [
        '--disable-warning=ExperimentalWarning',
        'apps/loki/src/main.ts',
        `-target=${app}`,
        ...flags,
      ];
      expect(
        execFileSync(process.execPath, [...args, '-verify-config'], { cwd: root, encoding: 'utf8' }),
      ).toContain('config is valid');
    }
  });
});

test('Grafana has the four data sources of KubeSphere’s tenants', () => {
  const { datasources } = YAML.parse(readCompose('config/datasources.yaml')) as {
    datasources: { uid: string; type: string; secureJsonData?: { httpHeaderValue1: string } }[];
  };
  const loki = datasources.filter(({ type }) => type === 'loki');
  expect(loki.map(({ uid }) => uid)).toEqual(
    ['logs', 'events', 'auditing', 'notification'].map((kind) => `whizard-${kind}-ks`),
  );
  for (const { uid, secureJsonData } of loki) expect(secureJsonData?.httpHeaderValue1).toBe(uid);
});
