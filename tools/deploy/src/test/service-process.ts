/** A bundled service of the chart as its container starts it, by the real program that this machine has. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { installJars, servicesCache } from '@loki/services';
import { isListening } from '@loki/test-tools';
import { objectNamed } from './charts.ts';
import type { KubeObject } from './charts.ts';

export type ServiceName = 'kafka' | 'redis' | 'minio';

interface ServiceProcessOptions {
  readonly objects: readonly KubeObject[];
  readonly name: ServiceName;
  /** The container's `/data` and `/tmp` are in there. */
  readonly directory: string;
  /** In the place of the container's. */
  readonly port: number;
  /** Of Kafka's controller. */
  readonly controllerPort: number;
  /** Where the programs are that the image has in its path. */
  readonly programs: string;
}

export class ServiceProcess {
  readonly #options: ServiceProcessOptions;
  readonly #container: KubeObject;
  readonly #child: ChildProcess;
  readonly #env: NodeJS.ProcessEnv;

  constructor(options: ServiceProcessOptions) {
    const { objects, name, directory, programs } = options;
    this.#options = options;
    const { spec } = objectNamed(objects, 'StatefulSet', `loki-${name}`);
    this.#container = spec.template.spec.containers[0] as KubeObject;
    for (const folder of ['data', 'tmp']) fs.mkdirSync(path.join(directory, folder), { recursive: true });
    this.#env = { PATH: `${programs}:/usr/bin:/bin`, ...environmentOf(objects, this.#container) };
    const [file, ...args] = [...this.#container.command, ...this.#container.args].map((text: string) =>
      this.#here(text),
    );
    const log = fs.openSync(path.join(directory, 'log'), 'a');
    this.#child = spawn(file, args, { cwd: directory, stdio: ['ignore', log, log], env: this.#env });
    fs.closeSync(log);
  }

  log(): string {
    return fs.readFileSync(path.join(this.#options.directory, 'log'), 'utf8').slice(-4000);
  }

  /** @param name of the container's field */
  async passes(name: 'startupProbe' | 'livenessProbe' | 'readinessProbe'): Promise<boolean> {
    const { tcpSocket, exec, httpGet } = this.#container[name] as KubeObject;
    const { port } = this.#options;
    if (tcpSocket) return isListening(port);
    if (exec) {
      const [file, ...args] = (exec.command as string[]).map((text) => this.#here(text));
      return spawnSync(file, args, { env: this.#env }).status === 0;
    }
    try {
      return (await fetch(`http://127.0.0.1:${port}${httpGet.path as string}`)).status < 400;
    } catch {
      return false; // not listening yet
    }
  }

  /** SIGTERM. @returns the exit code */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const ended = new Promise<number | null>((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    return ended;
  }

  /** Folders and ports of this machine in the place of the container's. */
  #here(text: string): string {
    const { name, directory, port, controllerPort, programs } = this.#options;
    return text
      .replaceAll(/(?<=[\s=])\/(data|tmp)\b|(?<=>)\/(tmp)\b/g, (folder) => directory + folder)
      .replaceAll('/opt/kafka/bin', programs)
      .replaceAll('redis-cli ping', `redis-cli -p ${port} ping`)
      .replaceAll(`loki-${name}:`, '127.0.0.1:')
      .replaceAll(/\b9093\b/g, String(controllerPort))
      .replaceAll(/\b(?:9092|6379|9000)\b/g, String(port));
  }
}

function environmentOf(objects: readonly KubeObject[], container: KubeObject): Record<string, string> {
  const secret = (name: string): Record<string, string> => {
    const { data = {}, stringData = {} } = objectNamed(objects, 'Secret', name);
    const decoded = Object.entries(data as Record<string, string>).map(([key, text]) => [
      key,
      Buffer.from(text, 'base64').toString(),
    ]);
    return { ...(Object.fromEntries(decoded) as Record<string, string>), ...stringData };
  };
  const environment: Record<string, string> = {};
  for (const { secretRef } of (container['envFrom'] ?? []) as KubeObject[]) {
    Object.assign(environment, secret(secretRef.name));
  }
  for (const { name, value, valueFrom } of (container['env'] ?? []) as (KubeObject & { name: string })[]) {
    const { secretKeyRef: of } = (valueFrom ?? {}) as { secretKeyRef?: { name: string; key: string } };
    const text = (value as string | undefined) ?? (of && secret(of.name)[of.key]);
    if (text !== undefined) environment[name] = text;
  }
  return environment;
}

/** The variables of our own containers' Secret. */
export function secretsOf(objects: readonly KubeObject[], workload: KubeObject): Record<string, string> {
  return environmentOf(objects, workload.spec.template.spec.containers[0] as KubeObject);
}

/**
 * The programs of the images under their names: those of this machine, and Kafka's scripts as they call its
 * classes.
 *
 * @param binaries by name
 */
export function programsOf(directory: string, binaries: Readonly<Record<string, string>>): string {
  fs.mkdirSync(directory, { recursive: true });
  for (const [name, file] of Object.entries(binaries)) fs.symlinkSync(file, path.join(directory, name));
  const classPath = `"${installJars(servicesCache)}/*"`;
  const scripts = {
    'kafka-storage.sh': `exec java -Xmx64m -cp ${classPath} kafka.tools.StorageTool "$@"`,
    'kafka-server-start.sh': `exec java $KAFKA_HEAP_OPTS -XX:+UseSerialGC -cp ${classPath} kafka.Kafka "$@"`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    fs.writeFileSync(path.join(directory, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  return directory;
}
