/** The packed extension, and the command by which the Marketplace installs it. */
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { marketplaceSets, releaseOf } from '../marketplace.ts';
import type { Part } from '../marketplace.ts';
import { packExtension } from '../pack-extension.ts';
import { objectsOf, programs, render, root, runProgram, temporaryDirectory } from './charts.ts';
import type { HelmVersion, KubeObject } from './charts.ts';

export const extensionSource = path.join(root, 'deploy/kubesphere/loki');

let packed: string | undefined;
let parent: string | undefined;

/** Packed once for a file of tests. */
export function packedExtension(): string {
  parent ??= temporaryDirectory();
  return (packed ??= packExtension(path.join(parent, 'loki')));
}

export function removePackedExtension(): void {
  if (parent !== undefined) fs.rmSync(parent, { recursive: true });
  packed = parent = undefined;
}

export interface MarketplaceOptions {
  readonly helm?: HelmVersion;
  /** Extension Config, then Differential Configuration. */
  readonly values?: unknown;
  readonly sets?: readonly string[];
}

/** Objects of one part as the Marketplace installs them: rendered, then labelled by kustomize. */
export function marketplace(part: Part, options: MarketplaceOptions = {}): KubeObject[] {
  return render({
    chart: packedExtension(),
    release: releaseOf(part),
    helm: options.helm,
    values: options.values,
    flags: ['--set', [...marketplaceSets(part), ...(options.sets ?? [])].join(',')],
  });
}

/** The post-renderer: a label for every object but hooks, which Helm does not pass to it. */
export function postRender(objects: readonly KubeObject[]): KubeObject[] {
  const directory = temporaryDirectory();
  try {
    const passed = objects.filter(({ metadata }) => !metadata.annotations?.['helm.sh/hook']);
    fs.writeFileSync(
      path.join(directory, 'all.yaml'),
      passed.map((object) => YAML.stringify(object)).join('---\n'),
    );
    const kustomization = {
      resources: ['all.yaml'],
      labels: [{ pairs: { 'kubesphere.io/extension-ref': 'loki' } }],
    };
    fs.writeFileSync(path.join(directory, 'kustomization.yaml'), YAML.stringify(kustomization));
    return objectsOf(runProgram(programs.kubectl.path, ['kustomize', directory]));
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

export function readExtension(): KubeObject {
  return YAML.parse(fs.readFileSync(path.join(extensionSource, 'extension.yaml'), 'utf8')) as KubeObject;
}
