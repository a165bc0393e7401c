/** A typed client of a container runtime: the calls of CRI v1 that pods need. */
import path from 'node:path';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface SandboxConfig {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
  readonly hostname: string;
  readonly log_directory: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly linux: {
    readonly cgroup_parent: string;
    readonly security_context: {
      readonly namespace_options: typeof podNamespaces;
      readonly run_as_user: Value;
      readonly seccomp: SeccompProfile;
    };
  };
}

export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt: number };
  readonly image: { readonly image: string };
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly envs: readonly { readonly key: string; readonly value: Buffer }[];
  readonly mounts: readonly {
    readonly container_path: string;
    readonly host_path: string;
    readonly readonly: boolean;
  }[];
  readonly log_path: string;
  readonly linux: {
    readonly resources: {
      readonly memory_limit_in_bytes: number;
      readonly cpu_shares: number;
      readonly cpu_period: number;
      readonly cpu_quota: number;
    };
    readonly security_context: {
      readonly run_as_user: Value;
      readonly run_as_group: Value;
      readonly supplemental_groups: readonly number[];
      readonly readonly_rootfs: boolean;
      readonly no_new_privs: boolean;
      readonly capabilities: {
        readonly add_capabilities: readonly string[];
        readonly drop_capabilities: readonly string[];
      };
      readonly seccomp: SeccompProfile;
      readonly namespace_options: typeof podNamespaces;
    };
  };
}

interface Value {
  readonly value: number;
}

interface SeccompProfile {
  readonly profile_type: number;
}

/** Numbers of `SecurityProfile.ProfileType`. */
export const seccompProfiles = { RuntimeDefault: 0, Unconfined: 1 } as const;

/** A pod's containers share its network and IPC; each has its own processes. */
export const podNamespaces = { network: 0, pid: 1, ipc: 0 } as const;

/** Numbers of `ContainerState`. */
export const containerRunning = 1;

interface ContainerStatus {
  readonly state: number;
  readonly exit_code: number;
  readonly reason: string;
}

/** Time of a call that changes a pod: images are unpacked, networks are made. */
const callTimeoutMs = 120_000;

type Call = (
  request: object,
  options: { readonly deadline: number },
  done: (error: ServiceError | null, answer: unknown) => void,
) => void;

export class ContainerRuntime {
  readonly #client: Readonly<Record<string, Call>> & { close(): void };
  readonly #pending = new Set<Promise<unknown>>();
  #isEnding = false;

  /** @param socket  path of the runtime's socket */
  constructor(socket: string) {
    const file = path.join(import.meta.dirname, '../proto/runtime.proto');
    const definition = loadSync(file, { keepCase: true, longs: Number, defaults: true });
    const { runtime } = loadPackageDefinition(definition) as unknown as {
      readonly runtime: { readonly v1: { readonly RuntimeService: ServiceClientConstructor } };
    };
    const client = new runtime.v1.RuntimeService(`unix:${socket}`, credentials.createInsecure());
    this.#client = client as unknown as Readonly<Record<string, Call>> & { close(): void };
  }

  async version(): Promise<string> {
    const answer = await this.#call<{ readonly runtime_name: string; readonly runtime_version: string }>(
      'Version',
      {},
    );
    return `${answer.runtime_name} ${answer.runtime_version}`;
  }

  /** @returns the sandbox's id */
  async runSandbox(config: SandboxConfig): Promise<string> {
    const answer = await this.#call<{ readonly pod_sandbox_id: string }>('RunPodSandbox', { config });
    return answer.pod_sandbox_id;
  }

  async sandboxAddress(sandbox: string): Promise<string> {
    const answer = await this.#call<{ readonly status: { readonly network: { readonly ip: string } } }>(
      'PodSandboxStatus',
      { pod_sandbox_id: sandbox },
    );
    return answer.status.network.ip;
  }

  async removeSandbox(sandbox: string): Promise<void> {
    await this.#call('StopPodSandbox', { pod_sandbox_id: sandbox });
    await this.#call('RemovePodSandbox', { pod_sandbox_id: sandbox });
  }

  /** Creates and starts a container. @returns its id */
  async startContainer(
    sandbox: string,
    config: ContainerConfig,
    sandboxConfig: SandboxConfig,
  ): Promise<string> {
    const { container_id } = await this.#call<{ readonly container_id: string }>('CreateContainer', {
      pod_sandbox_id: sandbox,
      config,
      sandbox_config: sandboxConfig,
    });
    await this.#call('StartContainer', { container_id });
    return container_id;
  }

  async status(container: string): Promise<ContainerStatus> {
    const request = { container_id: container };
    return (await this.#call<{ readonly status: ContainerStatus }>('ContainerStatus', request)).status;
  }

  /** SIGTERM, and SIGKILL after `graceSeconds`; 0: SIGKILL at once. */
  async stopContainer(container: string, graceSeconds: number): Promise<void> {
    await this.#call(
      'StopContainer',
      { container_id: container, timeout: graceSeconds },
      graceSeconds * 1000,
    );
  }

  async removeContainer(container: string): Promise<void> {
    await this.#call('RemoveContainer', { container_id: container });
  }

  /** Removes all pods of the runtime; none is started after it. */
  async removeAll(): Promise<void> {
    this.#isEnding = true;
    await Promise.allSettled(this.#pending);
    const { items } = await this.#call<{ readonly items: readonly { readonly id: string }[] }>(
      'ListPodSandbox',
      {},
    );
    await Promise.all(items.map(({ id }) => this.removeSandbox(id)));
  }

  close(): void {
    this.#client.close();
  }

  #call<T>(method: string, request: object, extraMs = 0): Promise<T> {
    if (this.#isEnding && /^(?:Run|Create|Start)/.test(method)) {
      return Promise.reject(new Error(`${method}: the node is ending`));
    }
    const answer = new Promise<T>((resolve, reject) => {
      const deadline = Date.now() + callTimeoutMs + extraMs;
      this.#client[method](request, { deadline }, (error, value) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(value as T);
      });
    });
    this.#pending.add(answer);
    const settle = (): void => void this.#pending.delete(answer);
    answer.then(settle, settle);
    return answer;
  }
}
