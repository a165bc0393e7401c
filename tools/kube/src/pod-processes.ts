/** For each simulated pod, a process of the product with the configuration of its container. */
import fs from 'node:fs';
import path from 'node:path';
import { Daemon } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import type { ControlPlane } from './control-plane.ts';
import type { KubeObject } from './kube-api.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const readyEveryMs = 1_000;
const readyTimeoutMs = 5_000;

interface PodProcess {
  readonly component: string;
  readonly daemon: Daemon;
  readonly ports: Readonly<Record<'http' | 'grpc' | 'metrics', number>>;
  isReady: boolean;
}

interface Options {
  readonly plane: ControlPlane;
  readonly namespace: string;
  readonly directory: string;
  /** Apps without a process: their pods stay simulated. */
  readonly components: ReadonlySet<string>;
  /** Prometheus finds targets in this file. */
  readonly targetsFile: string;
}

export class PodProcesses {
  readonly #options: Options;
  readonly #processes = new Map<string, PodProcess>();
  readonly #ending = new Set<Promise<void>>();
  readonly #pending = new Set<string>();
  readonly failures: string[] = [];
  #end: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#writeTargets();
  }

  start(): void {
    const { plane, namespace } = this.#options;
    this.#end = plane.api.watch(`/api/v1/namespaces/${namespace}/pods`, ({ type, object }) => {
      const { name, labels, deletionTimestamp } = object.metadata;
      if (!this.#options.components.has(labels?.['app.kubernetes.io/component'] ?? '')) return;
      if (type === 'DELETED' || deletionTimestamp !== undefined) this.#remove(name);
      else if (
        object['status'].phase === 'Running' &&
        !this.#processes.has(name) &&
        !this.#pending.has(name)
      ) {
        this.#pending.add(name);
        this.#add(object)
          .catch((error: unknown) => this.failures.push(`${name}: ${String(error)}`))
          .finally(() => this.#pending.delete(name));
      }
    });
    this.#timer = setInterval(() => void this.#probe(), readyEveryMs);
  }

  /** Addresses of ready processes. */
  urlsOf(component: string): string[] {
    return [...this.#processes.values()]
      .filter((each) => each.component === component && each.isReady)
      .map(({ ports }) => `http://127.0.0.1:${ports.http}`);
  }

  async stop(): Promise<void> {
    this.#end();
    clearInterval(this.#timer);
    for (const name of this.#processes.keys()) this.#remove(name);
    await Promise.all(this.#ending);
  }

  async #add(pod: KubeObject): Promise<void> {
    const { plane, namespace, directory } = this.#options;
    const { name, labels } = pod.metadata;
    const own = path.join(directory, name);
    const localText = (text: string): string =>
      text.replaceAll(/\/(?:etc|var)\/loki/g, (place) => own + place);
    const container = pod['spec'].containers[0] as KubeObject;
    for (const volume of pod['spec'].volumes as KubeObject[]) {
      if (!volume['configMap']) continue;
      const mount = (container['volumeMounts'] as { name: string; mountPath: string }[]).find(
        (each) => each.name === volume['name'],
      )!;
      const { data } = await plane.api.get(
        `/api/v1/namespaces/${namespace}/configmaps/${volume['configMap'].name}`,
      );
      fs.mkdirSync(own + mount.mountPath, { recursive: true });
      for (const [file, text] of Object.entries(data as Record<string, string>)) {
        fs.writeFileSync(path.join(own + mount.mountPath, file), localText(text));
      }
    }
    const [http, grpc, metrics] = await freePorts(3);
    const command = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      'apps/loki/src/main.ts',
      ...(container['args'] as string[]).map((arg) =>
        localText(arg).replace('$(LOKI_ZONE)', pod['spec'].nodeName),
      ),
      `-server.http-listen-port=${http}`,
      `-server.grpc-listen-port=${grpc}`,
      `-server.admin-listen-port=${metrics}`,
    ];
    const daemon = new Daemon(name, path.join(directory, `${name}.log`), command, {
      directory: root,
      env: { POD_NAME: name, AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none' },
      onEnd: (reason) => this.#processes.has(name) && this.failures.push(`${name} ended: ${reason}`),
    });
    daemon.launch();
    const component = labels?.['app.kubernetes.io/component'] ?? '';
    this.#processes.set(name, { component, daemon, ports: { http, grpc, metrics }, isReady: false });
  }

  #remove(name: string): void {
    const process = this.#processes.get(name);
    if (!process) return;
    this.#processes.delete(name);
    this.#writeTargets();
    const ended = process.daemon.stop().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  /** A process that is not ready is no target: the cost of its start is no load. */
  async #probe(): Promise<void> {
    const waiting = [...this.#processes.values()].filter(({ isReady }) => !isReady);
    for (const each of waiting) {
      try {
        const response = await fetch(`http://127.0.0.1:${each.ports.metrics}/ready`, {
          signal: AbortSignal.timeout(readyTimeoutMs),
        });
        await response.arrayBuffer();
        each.isReady = response.status === 200;
      } catch {
        // not listening yet
      }
    }
    if (waiting.some(({ isReady }) => isReady)) this.#writeTargets();
  }

  #writeTargets(): void {
    const { targetsFile, namespace } = this.#options;
    const targets = [...this.#processes]
      .filter(([, { isReady }]) => isReady)
      .map(([pod, { component, ports }]) => ({
        targets: [`127.0.0.1:${ports.metrics}`],
        labels: { namespace, pod, container: component },
      }));
    fs.writeFileSync(`${targetsFile}.part`, JSON.stringify(targets));
    fs.renameSync(`${targetsFile}.part`, targetsFile);
  }
}
