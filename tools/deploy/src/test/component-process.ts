/**
 * A process of the product as the pod of a workload starts it, with free ports and folders of this machine.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePorts } from '@loki/test-tools';
import { objectNamed, podsOf, root } from './charts.ts';
import type { KubeObject } from './charts.ts';

interface ComponentProcessOptions {
  readonly objects: readonly KubeObject[];
  readonly workload: string;
  /** The container's `/etc/loki` and `/var/loki` are in there. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Addresses of the cluster, by those of this machine. */
  readonly addresses?: ReadonlyMap<string, string>;
}

type PortName = 'http' | 'grpc' | 'http-metrics';

export class ComponentProcess {
  readonly container: KubeObject;
  readonly ports: Readonly<Record<PortName, number>>;
  readonly #child: ChildProcess;
  readonly #log: string;

  static async start(options: ComponentProcessOptions): Promise<ComponentProcess> {
    const [http, grpc, metrics] = await freePorts(3);
    return new ComponentProcess(options, { http, grpc, 'http-metrics': metrics });
  }

  private constructor(options: ComponentProcessOptions, ports: Readonly<Record<PortName, number>>) {
    const { objects, workload, directory, env, flags = [], addresses = new Map() } = options;
    this.ports = ports;
    const { pod } = podsOf(objects).find(({ object }) => object.metadata.name === workload)!;
    this.container = pod.spec.containers[0] as KubeObject;
    const here = (text: string): string => {
      const local = text.replaceAll(/\/(?:etc|var)\/loki/g, (place) => directory + place);
      return [...addresses].reduce((before, [from, to]) => before.replaceAll(from, to), local);
    };
    for (const { name, configMap } of pod.spec.volumes as KubeObject[]) {
      if (!configMap) continue;
      const mount = this.container.volumeMounts.find((each: KubeObject) => each.name === name)
        .mountPath as string;
      fs.mkdirSync(directory + mount, { recursive: true });
      for (const [file, text] of Object.entries(objectNamed(objects, 'ConfigMap', configMap.name).data)) {
        fs.writeFileSync(path.join(directory + mount, file), here(text as string));
      }
    }
    this.#log = path.join(directory, 'log');
    const output = fs.openSync(this.#log, 'a');
    this.#child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        'apps/loki/src/main.ts',
        ...(this.container.args as string[]).map((arg) => here(arg).replace('$(LOKI_ZONE)', 'node-1')),
        `-server.http-listen-port=${ports.http}`,
        `-server.grpc-listen-port=${ports.grpc}`,
        `-server.admin-listen-port=${ports['http-metrics']}`,
        ...flags,
      ],
      { cwd: root, stdio: ['ignore', output, output], env: { ...process.env, NODE_OPTIONS: '', ...env } },
    );
    fs.closeSync(output);
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.http}`;
  }

  log(): string {
    return fs.readFileSync(this.#log, 'utf8');
  }

  /** The answer to a probe of the pod. */
  async probe(name: string): Promise<{ status: number; text: string }> {
    const { port, path: at } = this.container[name].httpGet as { port: PortName; path: string };
    const response = await fetch(`http://127.0.0.1:${this.ports[port]}${at}`);
    return { status: response.status, text: await response.text() };
  }

  /** @returns the exit code, or null after SIGKILL */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return ended;
  }
}
