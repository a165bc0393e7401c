/** Renders of the charts by the real Helm, as objects, for tests. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import YAML from 'yaml';
import type { Programs } from '../programs.ts';

export const root = path.resolve(import.meta.dirname, '../../../..');
export const testdata = path.join(root, 'tools/deploy/testdata');
export const charts = {
  loki: path.join(root, 'deploy/helm/loki'),
  grafana: path.join(root, 'deploy/helm/loki-grafana'),
};

const none = { path: '', missing: 'run npm run test:deploy' };
export const programs: Programs = process.env['LOKI_DEPLOY_PROGRAMS']
  ? (JSON.parse(process.env['LOKI_DEPLOY_PROGRAMS']) as Programs)
  : { helm3: none, helm4: none, kubectl: none, schemas: none, checkov: none, models: none };

/** Tests that need these programs are skipped where one cannot be had; the run has said why. */
export function testWith(...names: readonly (keyof Programs)[]): jest.It {
  return names.every((name) => programs[name].missing === '') ? test : test.skip;
}

// Its fields are read by tests that know the kind.
// oxlint-disable-next-line typescript/no-explicit-any
export type KubeObject = Record<string, any> & {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
};

export type HelmVersion = 'helm3' | 'helm4';

export interface RenderOptions {
  readonly chart?: string;
  readonly release?: string;
  readonly namespace?: string;
  readonly helm?: HelmVersion;
  /** Files of values below testdata/values. */
  readonly files?: readonly string[];
  readonly values?: unknown;
  readonly flags?: readonly string[];
}

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The outcome of `helm template`, failures included. */
export function helmTemplate(options: RenderOptions = {}): Outcome {
  const { chart = charts.loki, release = 'loki-agent', namespace = 'loki', helm = 'helm4' } = options;
  const values = (options.files ?? []).flatMap((file) => [
    '--values',
    path.join(testdata, 'values', `${file}.yaml`),
  ]);
  const given = options.values === undefined ? [] : ['--values', '-'];
  const { status, stdout, stderr } = spawnSync(
    programs[helm].path,
    ['template', release, chart, '--namespace', namespace, ...values, ...given, ...(options.flags ?? [])],
    {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      ...(given.length > 0 ? { input: YAML.stringify(options.values) } : {}),
    },
  );
  return { status: status ?? -1, stdout, stderr };
}

/** Objects of a render that must succeed. */
export function render(options: RenderOptions = {}): KubeObject[] {
  const { status, stdout, stderr } = helmTemplate(options);
  if (status !== 0) throw new Error(stderr);
  return objectsOf(stdout);
}

/** The sentence by which a render is refused. */
export function refusal(options: RenderOptions): string {
  const { status, stderr } = helmTemplate(options);
  return status === 0 ? '' : stderr.replace(/\s+/g, ' ');
}

export function objectsOf(text: string): KubeObject[] {
  return YAML.parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return (document.toJS() as KubeObject | null) ?? [];
  });
}

export function objectNamed(objects: readonly KubeObject[], kind: string, name: string): KubeObject {
  const named = objects.find((each) => each.kind === kind && each.metadata.name === name);
  if (!named) throw new Error(`no ${kind} ${name} among ${objects.map(nameOf).join(', ')}`);
  return named;
}

export function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

/** Pods of all objects that make some. */
export function podsOf(objects: readonly KubeObject[]): { object: KubeObject; pod: KubeObject }[] {
  return objects.flatMap((object) => {
    const template = object.spec?.jobTemplate?.spec?.template ?? object.spec?.template;
    return template?.spec?.containers ? [{ object, pod: template as KubeObject }] : [];
  });
}

export function containersOf(pod: KubeObject): KubeObject[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers] as KubeObject[];
}

/** The configuration file in a render. */
export function configOf(objects: readonly KubeObject[], file = 'config.yaml'): KubeObject {
  return YAML.parse(objectNamed(objects, 'ConfigMap', 'loki-config').data[file] as string) as KubeObject;
}

/** Data sources that the Jobs of chart loki-grafana give to Grafana. */
export function dataSourcesOf(objects: readonly KubeObject[]): KubeObject[] {
  const { data } = objectNamed(objects, 'ConfigMap', 'loki-grafana-datasources');
  return (YAML.parse(data['datasources.yaml'] as string) as { datasources: KubeObject[] }).datasources;
}

export function temporaryDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'loki-deploy-'));
}

export function runProgram(program: string, args: readonly string[], input?: string): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    ...(input === undefined ? {} : { input }),
  });
}
