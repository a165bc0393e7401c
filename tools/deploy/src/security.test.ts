/**
 * Protects the restricted security context of every pod, and that a scanner has nothing to say that is not
 * explained.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {
  charts,
  containersOf,
  helmTemplate,
  podsOf,
  programs,
  render,
  temporaryDirectory,
  testWith,
} from './test/charts.ts';

/** Checks that do not hold here, each with its reason. */
const explained: Readonly<Record<string, string>> = {
  CKV_K8S_38: 'the Jobs of loki-grafana read one Secret by their account',
  CKV2_K8S_6: 'the Jobs of loki-grafana take no connections, and Grafana may be anywhere',
  CKV_K8S_11: 'no CPU limit by default: a burst of queries or of pushes shall use what is idle',
  CKV_K8S_43: 'an image is named by its digest once it is released (image.digest)',
  CKV_K8S_15: 'a tag of ours is never moved, so IfNotPresent is what starts without a registry',
  CKV_K8S_35: 'the configuration names passwords as ${VARIABLES}; files would be read once as well',
};

testWith('helm4', 'checkov')(
  'a scanner finds no fault without an explanation, and each explanation has its fault',
  () => {
    const directory = temporaryDirectory();
    const renders = {
      default: {},
      single: { files: ['single'] },
      monitoring: { files: ['monitoring'] },
      hpa: { files: ['hpa'] },
      grafana: { chart: charts.grafana },
    };
    for (const [name, options] of Object.entries(renders)) {
      fs.writeFileSync(path.join(directory, `${name}.yaml`), helmTemplate(options).stdout);
    }
    const { stdout, stderr } = spawnSync(
      programs.checkov.path,
      [
        '--framework',
        'kubernetes',
        '--skip-download',
        '--quiet',
        '--compact',
        '--output',
        'json',
        '--directory',
        directory,
      ],
      { encoding: 'utf8', maxBuffer: 2 ** 26, env: { ...process.env, NODE_OPTIONS: '', LOG_LEVEL: 'ERROR' } },
    );
    fs.rmSync(directory, { recursive: true });
    if (!stdout.startsWith('{')) throw new Error(`${stdout}\n${stderr}`);
    const { summary, results } = JSON.parse(stdout) as Report;
    expect(summary.passed).toBeGreaterThan(1000);
    const faults = results.failed_checks.filter(({ check_id }) => !(check_id in explained));
    expect(faults.map(({ check_id, resource }) => `${check_id} ${resource}`)).toEqual([]);
    const failed = new Set(results.failed_checks.map(({ check_id }) => check_id));
    expect(Object.keys(explained).filter((id) => !failed.has(id))).toEqual([]);
  },
);

interface Report {
  readonly summary: { readonly passed: number };
  readonly results: {
    readonly failed_checks: readonly { readonly check_id: string; readonly resource: string }[];
  };
}

testWith('helm4').each([['distributed'], ['single']])('every pod of mode %s is restricted', (mode) => {
  const objects = render({ values: { mode } });
  for (const { pod } of podsOf(objects)) {
    expect(pod.spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 10001,
        fsGroup: 10001,
        seccompProfile: { type: 'RuntimeDefault' },
      },
    });
    for (const { securityContext, resources, name } of containersOf(pod)) {
      expect([name, securityContext]).toEqual([
        name,
        { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      ]);
      expect(Object.keys(resources.requests)).toEqual(['cpu', 'memory']);
      expect(Object.keys(resources.limits)).toEqual(['memory']);
    }
  }
});

testWith('helm4')('a password is in its Secret and nowhere else', () => {
  const values = {
    storage: { endpoint: 'example.com', accessKeyId: 'the-key', secretAccessKey: 'secret-of-the-bucket' },
    kafka: { sasl: { username: 'the-user', password: 'secret-of-kafka' } },
    redis: { password: 'secret-of-redis' },
  };
  const objects = render({ values });
  const secrets = objects.filter(({ kind }) => kind === 'Secret');
  const data = secrets[0].data as Record<string, string>;
  const plain = Object.fromEntries(
    Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]),
  );
  expect(plain).toEqual({
    AWS_ACCESS_KEY_ID: 'the-key',
    AWS_SECRET_ACCESS_KEY: 'secret-of-the-bucket',
    KAFKA_SASL_USERNAME: 'the-user',
    KAFKA_SASL_PASSWORD: 'secret-of-kafka',
    REDIS_PASSWORD: 'secret-of-redis',
  });
  const others = JSON.stringify(objects.filter(({ kind }) => kind !== 'Secret'));
  for (const text of Object.values(plain)) expect(others).not.toContain(text);
});
