/**
 * The KubeSphere extension as a chart: `extension.yaml` says what its Chart.yaml is, and the charts that it
 * depends on are copied into it. Only the Chart.yaml is made here; it is nowhere in the tree.
 */
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';

const root = path.resolve(import.meta.dirname, '../../..');
const source = path.join(root, 'deploy/kubesphere/loki');

/** The fields of extension.yaml that are read here. */
interface Extension {
  readonly name: string;
  readonly version: string;
  readonly description: Readonly<Record<string, string>>;
  readonly keywords: readonly string[];
  readonly home: string;
  readonly sources: readonly string[];
  readonly maintainers: readonly unknown[];
  readonly kubeVersion: string;
  readonly icon: string;
  readonly dependencies: readonly { readonly name: string; readonly tags: readonly string[] }[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Writes the chart into a directory that does not exist yet, and returns it. */
export function packExtension(directory: string): string {
  const extension = YAML.parse(fs.readFileSync(path.join(source, 'extension.yaml'), 'utf8')) as Extension;
  fs.cpSync(source, directory, { recursive: true });
  for (const { name } of extension.dependencies) {
    const chart = path.join(directory, 'charts', name);
    copyTree(path.join(root, 'deploy/helm', name), chart);
  }
  fs.writeFileSync(path.join(directory, 'Chart.yaml'), YAML.stringify(chartOf(extension)));
  return directory;
}

function chartOf({ name, version, description, icon, annotations, ...rest }: Extension): unknown {
  const { keywords, home, sources, maintainers, kubeVersion, dependencies } = rest;
  const image = fs.readFileSync(path.join(source, icon)).toString('base64');
  return {
    apiVersion: 'v2',
    type: 'application',
    name,
    version,
    appVersion: version,
    description: description['en'],
    kubeVersion,
    home,
    keywords,
    sources,
    maintainers,
    icon: `data:image/svg+xml;base64,${image}`,
    dependencies,
    annotations,
  };
}

/**
 * Copies a directory and the targets of its links. JSON (dashboards, schemas) is written without white space:
 * the package is stored in a ConfigMap.
 */
function copyTree(from: string, to: string): void {
  fs.mkdirSync(to, { recursive: true });
  for (const name of fs.readdirSync(from)) {
    const [file, copy] = [path.join(from, name), path.join(to, name)];
    if (fs.statSync(file).isDirectory()) copyTree(file, copy);
    else fs.writeFileSync(copy, name.endsWith('.json') ? compactJson(file) : fs.readFileSync(file));
  }
}

function compactJson(file: string): string {
  return JSON.stringify(JSON.parse(fs.readFileSync(file, 'utf8')));
}
