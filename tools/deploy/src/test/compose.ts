/** The compose files as objects, their variables filled in. */
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { root } from './charts.ts';

interface ComposeService {
  readonly image: string;
  readonly hostname?: string;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export const composeDirectory = path.join(root, 'deploy/compose');

export function readCompose(file: string): string {
  return fs.readFileSync(path.join(composeDirectory, file), 'utf8');
}

const variables = new Map(
  [...readCompose('.env').matchAll(/^(\w+)=(.+)$/gm)].map(([, name, value]) => [name, value]),
);

/** @throws Error when a file names a variable that `.env` lacks */
export function compose(file: string): Compose {
  const text = readCompose(file).replaceAll(/(?<!\$)\$\{(\w+)\}/g, (_, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new Error(`${file}: .env has no ${name}`);
    return value;
  });
  return YAML.parse(text, { merge: true }) as Compose;
}

/** Services that run our image. */
export function ownServices(file: string): [name: string, service: ComposeService][] {
  return Object.entries(compose(file).services).filter(
    ([, { image }]) => image === variables.get('LOKI_IMAGE'),
  );
}

/** The file of the tree that is mounted as a service's configuration. */
export function configFile({ volumes = [] }: ComposeService): string {
  const mount = volumes.find((each) => each.includes(':/etc/loki/loki.yaml'))!;
  return path.join(composeDirectory, mount.split(':')[0]);
}
