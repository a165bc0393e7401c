/** Releases of the charts: the Marketplace's command line, and an operator's. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { marketplaceSets, packExtension, releaseOf } from '@loki/deploy';
import type { Part } from '@loki/deploy';
import { eventually } from '@loki/test-tools';
import { grafanaNamespace, namespace } from './account.ts';
import type { ControlPlane } from './control-plane.ts';
import type { HelmVersion } from './programs.ts';
import { attempt } from './run.ts';
import type { Outcome } from './run.ts';

export type Values = Readonly<Record<string, unknown>>;

interface HelmOptions {
  readonly helm: HelmVersion;
  readonly kubeconfig: string;
  /** Values, as text. */
  readonly values?: Values;
  readonly timeout?: string;
  readonly hasHooks?: boolean;
  readonly flags?: readonly string[];
}

const timeoutDefault = '240s';
const clearMsMax = 120_000;
const pods = `/api/v1/namespaces/${namespace}/pods`;
export const claims = `/api/v1/namespaces/${namespace}/persistentvolumeclaims`;

/** Kinds of the charts' objects, owners first. */
const groups = [
  { path: '/apis/keda.sh/v1alpha1', kinds: ['scaledobjects'] },
  { path: '/apis/autoscaling/v2', kinds: ['horizontalpodautoscalers'] },
  { path: '/apis/apps/v1', kinds: ['deployments', 'statefulsets'] },
  { path: '/apis/batch/v1', kinds: ['cronjobs', 'jobs'] },
  { path: '/api/v1', kinds: ['services', 'configmaps', 'secrets', 'serviceaccounts', 'pods'] },
  { path: '/apis/networking.k8s.io/v1', kinds: ['networkpolicies', 'ingresses'] },
  { path: '/apis/policy/v1', kinds: ['poddisruptionbudgets'] },
  { path: '/apis/rbac.authorization.k8s.io/v1', kinds: ['roles', 'rolebindings'] },
  { path: '/apis/monitoring.coreos.com/v1', kinds: ['servicemonitors', 'prometheusrules'] },
  { path: '/apis/grafana.integreatly.org/v1beta1', kinds: ['grafanadatasources', 'grafanadashboards'] },
];

/** Helm, as an account. */
export class Helm {
  readonly #plane: ControlPlane;
  readonly #directory: string;
  readonly #extension: string;
  #number = 0;

  constructor(plane: ControlPlane) {
    this.#plane = plane;
    this.#directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-kube-helm-'));
    this.#extension = packExtension(path.join(this.#directory, 'extension'));
    const renderer = path.join(this.#directory, 'label');
    fs.writeFileSync(renderer, postRenderer(plane.programs.kubectl), { mode: 0o755 });
  }

  /**
   * `helm upgrade --install` as the Marketplace does it: Helm 3 with the renderer that labels each object.
   */
  installPart(part: Part, options: HelmOptions): Promise<Outcome> {
    // Helm 4 takes plugins for renderers.
    const renderer = options.helm === 'helm3' ? ['--post-renderer', path.join(this.#directory, 'label')] : [];
    return this.#install(releaseOf(part), this.#extension, options, [
      `--set=${marketplaceSets(part).join(',')}`,
      '--wait-for-jobs',
      '--history-max=2',
      ...(options.hasHooks === false ? ['--no-hooks'] : []),
      ...renderer,
    ]);
  }

  uninstallPart(part: Part, options: HelmOptions): Promise<Outcome> {
    return this.run(options, [
      'uninstall',
      releaseOf(part),
      '--wait',
      `--timeout=${options.timeout ?? timeoutDefault}`,
      ...(options.hasHooks === false ? ['--no-hooks'] : []),
    ]);
  }

  /** The guide's flags. */
  upgrade(release: string, chart: string, options: HelmOptions): Promise<Outcome> {
    return this.#install(release, chart, options, options.flags ?? []);
  }

  run({ helm, kubeconfig }: HelmOptions, args: readonly string[]): Promise<Outcome> {
    const home = path.join(this.#directory, helm);
    return attempt(
      this.#plane.programs[helm],
      [...args, `--namespace=${namespace}`, `--kubeconfig=${kubeconfig}`],
      { env: { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home } },
    );
  }

  /**
   * Removes, as the administrator, everything that releases may have left, claims too; their volumes are free
   * again.
   */
  async clear(): Promise<void> {
    const { api } = this.#plane;
    for (const each of [namespace, grafanaNamespace]) {
      for (const group of groups) {
        for (const kind of group.kinds) {
          const path = `${group.path}/namespaces/${each}/${kind}`;
          await api.request('DELETE', `${path}?labelSelector=app.kubernetes.io/part-of%3Dloki`);
        }
      }
    }
    await api.request('DELETE', `/api/v1/namespaces/${namespace}/secrets?labelSelector=owner%3Dhelm`);
    // Claims have the labels of their StatefulSet's selector alone.
    await api.request('DELETE', `${claims}?labelSelector=app.kubernetes.io/name%3Dloki`);
    for (const path of [pods, claims]) {
      const isGone = async () => (await api.list(path)).length === 0;
      await eventually(isGone, { withinMs: clearMsMax, everyMs: 200 });
    }
    for (const { metadata, status } of await api.list('/api/v1/persistentvolumes')) {
      if (status.phase !== 'Released') continue;
      const patch = JSON.stringify([{ op: 'remove', path: '/spec/claimRef' }]);
      await this.#plane.kubectl(['patch', 'pv', metadata.name, '--type=json', `--patch=${patch}`]);
    }
  }

  close(): void {
    fs.rmSync(this.#directory, { recursive: true });
  }

  #install(
    release: string,
    chart: string,
    { timeout = timeoutDefault, values = {}, ...options }: HelmOptions,
    args: readonly string[],
  ): Promise<Outcome> {
    const file = path.join(this.#directory, `values-${this.#number++}.json`);
    fs.writeFileSync(file, JSON.stringify(values));
    return this.run(options, [
      'upgrade',
      '--install',
      release,
      chart,
      `--values=${file}`,
      '--wait',
      `--timeout=${timeout}`,
      ...args,
    ]);
  }
}

/** Adds the label by which KubeSphere knows the objects of an extension. */
function postRenderer(kubectl: string): string {
  return `#!/bin/sh
set -e
directory=$(mktemp -d)
cat >"$directory/all.yaml"
cat >"$directory/kustomization.yaml" <<END
resources: [all.yaml]
labels: [{pairs: {kubesphere.io/extension-ref: loki}}]
END
${kubectl} kustomize "$directory"
rm -r "$directory"
`;
}
