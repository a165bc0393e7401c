/** One pod of a workload, as a kubelet would run it: volumes, environment, probes, grace period. */
import fs from 'node:fs';
import path from 'node:path';
import { containerRunning, podNamespaces, seccompProfiles } from './cri.ts';
import type { ContainerConfig, SandboxConfig } from './cri.ts';
import { bytesOf, coresOf } from './manifest.ts';
import type { ContainerSpec, Manifest, Probe, Workload } from './manifest.ts';
import { controlGroup } from './node.ts';
import type { PodNode } from './node.ts';

/** Of the pause container. */
const pauseUid = 65_535;
const cpuPeriodUs = 100_000;
/** Interval of a pod's probes at most: tests wait for them. */
const probeEveryMs = 250;

export class Pod {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  address = '';
  isReady = false;
  readonly #node: PodNode;
  readonly #manifest: Manifest;
  readonly #workload: Workload;
  readonly #spec: ContainerSpec;
  readonly #base: string;
  #sandboxConfig: SandboxConfig | undefined;
  #sandbox = '';
  #container = '';
  #attempt = 0;

  /** @param ordinal  of the pod in its workload; a StatefulSet's pod keeps its claims */
  constructor(node: PodNode, manifest: Manifest, workload: Workload, ordinal: number | string) {
    this.#node = node;
    this.#manifest = manifest;
    this.#workload = workload;
    this.name = `${workload.metadata.name}-${ordinal}`;
    this.labels = workload.spec.template.metadata.labels;
    this.#spec = workload.spec.template.spec.containers[0];
    this.#base = path.join(node.directory, 'pods', this.name);
  }

  get graceSeconds(): number {
    return this.#workload.spec.template.spec.terminationGracePeriodSeconds ?? 30;
  }

  async start(): Promise<void> {
    const logs = path.join(this.#base, 'logs');
    fs.mkdirSync(logs, { recursive: true });
    this.#sandboxConfig = {
      metadata: { name: this.name, uid: `${this.name}-${++sandboxes}`, namespace: 'loki' },
      hostname: this.name,
      log_directory: logs,
      labels: this.labels,
      linux: {
        cgroup_parent: `/${controlGroup}/${this.name}`,
        security_context: {
          namespace_options: podNamespaces,
          run_as_user: { value: pauseUid },
          seccomp: { profile_type: seccompProfiles.RuntimeDefault },
        },
      },
    };
    this.#sandbox = await this.#node.runtime.runSandbox(this.#sandboxConfig);
    this.address = await this.#node.runtime.sandboxAddress(this.#sandbox);
    await this.#startContainer();
  }

  /** SIGKILL of the container; the kubelet's next step is `restart`. */
  async kill(): Promise<void> {
    this.isReady = false;
    await this.#node.runtime.stopContainer(this.#container, 0);
  }

  async restart(): Promise<void> {
    this.#attempt++;
    await this.#startContainer();
  }

  /** @returns the container's exit code, and the seconds that it took */
  async stop(): Promise<{ readonly code: number; readonly seconds: number }> {
    const startMs = performance.now();
    this.isReady = false;
    await this.#node.runtime.stopContainer(this.#container, this.graceSeconds);
    const { exit_code: code } = await this.#node.runtime.status(this.#container);
    const seconds = (performance.now() - startMs) / 1000;
    await this.#node.runtime.removeContainer(this.#container);
    await this.#node.runtime.removeSandbox(this.#sandbox);
    return { code, seconds };
  }

  /** Resolves when the start-up probe passes. @throws Error with the log when it does not */
  async waitStarted(withinMs: number): Promise<void> {
    await this.#waitFor(this.#spec.startupProbe, Date.now() + withinMs);
  }

  /** Resolves when the readiness probe passes, too. */
  async waitReady(withinMs: number): Promise<void> {
    const deadlineMs = Date.now() + withinMs;
    await this.#waitFor(this.#spec.startupProbe, deadlineMs);
    await this.#waitFor(this.#spec.readinessProbe, deadlineMs);
    this.isReady = true;
  }

  async #waitFor(probe: Probe | undefined, deadlineMs: number): Promise<void> {
    if (!probe) return;
    while (!(await this.#passes(probe))) {
      const { state, exit_code: code } = await this.#node.runtime.status(this.#container);
      if (state !== containerRunning) {
        throw new Error(`${this.name} ended with ${code}:\n${this.log()}`);
      }
      if (Date.now() > deadlineMs) {
        throw new Error(`${this.name}: ${probe.httpGet.path} fails:\n${this.log()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, probeEveryMs));
    }
  }

  async isAlive(): Promise<boolean> {
    const { livenessProbe } = this.#spec;
    return livenessProbe === undefined || (await this.#passes(livenessProbe));
  }

  async #passes(probe: Probe): Promise<boolean> {
    return (await this.#get(probe)).status < 400;
  }

  /** Status and text of the probe's path. */
  async #get({
    httpGet,
    timeoutSeconds = 1,
  }: Probe): Promise<{ readonly status: number; readonly text: string }> {
    try {
      const url = `http://${this.address}:${this.port(httpGet.port)}${httpGet.path}`;
      const response = await fetch(url, { signal: AbortSignal.timeout(timeoutSeconds * 1000) });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      return { status: 599, text: String(error) };
    }
  }

  readiness(): Promise<{ readonly status: number; readonly text: string }> {
    return this.#get(this.#spec.readinessProbe!);
  }

  /** The number of a port that is given by name. */
  port(port: string | number): number {
    if (typeof port === 'number') return port;
    const named = this.#spec.ports?.find((each) => each.name === port);
    if (!named) throw new Error(`${this.name} has no port ${port}`);
    return named.containerPort;
  }

  log(): string {
    const file = path.join(this.#base, 'logs', this.#logName());
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').slice(-3000) : '';
  }

  #logName(): string {
    return `${this.#spec.name}-${this.#attempt}.log`;
  }

  async #startContainer(): Promise<void> {
    const config = this.#containerConfig();
    this.#container = await this.#node.runtime.startContainer(this.#sandbox, config, this.#sandboxConfig!);
  }

  #containerConfig(): ContainerConfig {
    const {
      name,
      image,
      command = [],
      args = [],
      resources,
      securityContext = {},
      volumeMounts = [],
    } = this.#spec;
    const pod = this.#workload.spec.template.spec.securityContext ?? {};
    const environment = this.#environment();
    const expanded = args.map((arg) =>
      arg.replaceAll(/\$\((\w+)\)/g, (whole, key) => environment.get(key) ?? whole),
    );
    const volumes = this.#volumes();
    const { limits, requests } = resources ?? {};
    return {
      metadata: { name, attempt: this.#attempt },
      image: { image },
      command,
      args: expanded,
      envs: [...environment].map(([key, value]) => ({ key, value: Buffer.from(value) })),
      mounts: volumeMounts.map((mount) => ({
        container_path: mount.mountPath,
        host_path: volumes.get(mount.name)!,
        readonly: mount.readOnly ?? false,
      })),
      log_path: this.#logName(),
      linux: {
        resources: {
          memory_limit_in_bytes: bytesOf(limits?.['memory']),
          cpu_shares: Math.max(2, Math.round(coresOf(requests?.['cpu']) * 1024)),
          cpu_period: cpuPeriodUs,
          cpu_quota: Math.round(coresOf(limits?.['cpu']) * cpuPeriodUs),
        },
        security_context: {
          run_as_user: { value: securityContext.runAsUser ?? pod.runAsUser ?? 0 },
          run_as_group: { value: securityContext.runAsGroup ?? pod.runAsGroup ?? 0 },
          supplemental_groups: pod.fsGroup === undefined ? [] : [pod.fsGroup],
          readonly_rootfs: securityContext.readOnlyRootFilesystem ?? false,
          no_new_privs: securityContext.allowPrivilegeEscalation === false,
          capabilities: {
            add_capabilities: securityContext.capabilities?.add ?? [],
            drop_capabilities: securityContext.capabilities?.drop ?? [],
          },
          seccomp: { profile_type: seccompProfiles[pod.seccompProfile?.type ?? 'Unconfined'] },
          namespace_options: podNamespaces,
        },
      },
    };
  }

  #environment(): Map<string, string> {
    const fields: Readonly<Record<string, string>> = {
      'spec.nodeName': 'node-1',
      'status.podIP': this.address,
      'metadata.name': this.name,
      'metadata.namespace': 'loki',
    };
    const environment = new Map<string, string>();
    for (const { secretRef } of this.#spec.envFrom ?? []) {
      for (const [key, value] of Object.entries(this.#manifest.data('Secret', secretRef.name))) {
        environment.set(key, value);
      }
    }
    for (const { name, value, valueFrom } of this.#spec.env ?? []) {
      environment.set(name, value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''] ?? '');
    }
    return environment;
  }

  /** Folders of the node by the names of the volumes. */
  #volumes(): Map<string, string> {
    const { volumes = [], securityContext: { fsGroup } = {} } = this.#workload.spec.template.spec;
    const claims = this.#workload.spec.volumeClaimTemplates ?? [];
    const folders = new Map<string, string>();
    for (const { metadata } of claims) {
      folders.set(metadata.name, ownFolder(path.join(this.#base, 'claims', metadata.name), fsGroup));
    }
    for (const { name, configMap, hostPath } of volumes) {
      if (hostPath) {
        folders.set(name, hostPath.path);
        continue;
      }
      // An emptyDir lives as long as its pod: a restarted container finds it again.
      const folder = path.join(this.#base, this.#sandbox, name);
      folders.set(name, ownFolder(folder, fsGroup));
      if (!configMap) continue;
      for (const [file, text] of Object.entries(this.#manifest.data('ConfigMap', configMap.name))) {
        fs.writeFileSync(path.join(folder, file), text);
      }
    }
    return folders;
  }
}

let sandboxes = 0;

function ownFolder(folder: string, group: number | undefined): string {
  fs.mkdirSync(folder, { recursive: true });
  if (group !== undefined) {
    fs.chownSync(folder, 0, group);
    fs.chmodSync(folder, 0o2770);
  }
  return folder;
}
