/** A Kubernetes control plane of real programs with simulated nodes and pods: no container starts. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Daemon } from '@loki/services';
import { freePorts } from '@loki/test-tools';
import { KubeApi } from './kube-api.ts';
import type { Programs } from './programs.ts';
import { attempt, run } from './run.ts';
import type { Outcome } from './run.ts';

const host = '127.0.0.1';
/** The stages of nodes and pods, in kwok's own form. */
const stagesFile = path.join(import.meta.dirname, '../kwok-stages.yaml');
/** Pods with this label never get ready. */
export const brokenLabel = 'broken';
/** Each node is a zone of its own. */
export const nodes = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5', 'node-6'] as const;
/** More than all releases of a run claim. */
const volumeCount = 40;
const storageClass = 'standard';

export class ControlPlane {
  readonly programs: Programs;
  /** Kubeconfig of the administrator. */
  readonly kubeconfig: string;
  readonly api: KubeApi;
  /** Each request of the account `audited`, as a line of JSON. */
  readonly auditLog: string;
  readonly #url: string;
  readonly #directory: string;
  readonly #daemons: Daemon[] = [];

  private constructor(programs: Programs, directory: string, url: string, token: string) {
    this.programs = programs;
    this.#directory = directory;
    this.#url = url;
    this.api = new KubeApi(url, token);
    this.auditLog = path.join(directory, 'audit.log');
    this.kubeconfig = this.writeKubeconfig('administrator', token);
  }

  /**
   * @param directory  of its data and logs
   * @param audited  user whose requests are recorded
   */
  static async start(programs: Programs, directory: string, audited: string): Promise<ControlPlane> {
    fs.mkdirSync(directory, { recursive: true });
    const [client, peer, api, ...others] = await freePorts(6);
    const token = randomBytes(16).toString('hex');
    const plane = new ControlPlane(programs, directory, `https://${host}:${api}`, token);
    try {
      await plane.#startAll({ client, peer, api, others, token, audited });
      await plane.#furnish();
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  /** Kubeconfig of another account. */
  writeKubeconfig(name: string, token: string): string {
    const file = path.join(this.#directory, `${name}.kubeconfig`);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'local',
      contexts: [{ name: 'local', context: { cluster: 'local', user: 'own' } }],
      clusters: [{ name: 'local', cluster: { server: this.#url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'own', user: { token } }],
    };
    fs.writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  /** Runs kubectl as the administrator. @returns its standard output */
  kubectl(args: readonly string[], input?: string): Promise<string> {
    return run(this.programs.kubectl, ['--kubeconfig', this.kubeconfig, ...args], { input });
  }

  kubectlAs(kubeconfig: string, args: readonly string[], input?: string): Promise<Outcome> {
    return attempt(this.programs.kubectl, ['--kubeconfig', kubeconfig, ...args], { input });
  }

  async apply(...objects: readonly object[]): Promise<void> {
    for (const object of objects) await this.api.apply(object);
  }

  /** In the reverse order: the API server needs its store to end. */
  async stop(): Promise<void> {
    this.api.close();
    for (const daemon of this.#daemons.splice(0).reverse()) await daemon.stop();
  }

  async #startAll({ client, peer, api, others, token, audited }: Start): Promise<void> {
    const at = (name: string): string => path.join(this.#directory, name);
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    fs.writeFileSync(at('accounts.key'), privateKey, { mode: 0o600 });
    fs.writeFileSync(at('accounts.pub'), publicKey);
    fs.writeFileSync(at('tokens.csv'), `${token},administrator,1,system:masters\n`, { mode: 0o600 });
    fs.writeFileSync(at('audit.yaml'), JSON.stringify(auditPolicy(audited)));
    const { programs } = this;
    await this.#daemon('etcd', [
      programs.etcd,
      `--data-dir=${at('etcd')}`,
      `--listen-client-urls=http://${host}:${client}`,
      `--advertise-client-urls=http://${host}:${client}`,
      `--listen-peer-urls=http://${host}:${peer}`,
      `--initial-advertise-peer-urls=http://${host}:${peer}`,
      `--initial-cluster=default=http://${host}:${peer}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ]).start(client);
    await this.#daemon('kube-apiserver', [
      programs['kube-apiserver'],
      `--etcd-servers=http://${host}:${client}`,
      `--secure-port=${api}`,
      `--bind-address=${host}`,
      `--advertise-address=${host}`,
      `--cert-dir=${at('certificates')}`,
      `--service-account-key-file=${at('accounts.pub')}`,
      `--service-account-signing-key-file=${at('accounts.key')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--token-auth-file=${at('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.0.0.0/24',
      '--endpoint-reconciler-type=none',
      // Debian's etcd cannot serve a list as a watch, and kwok would ask for it again and again.
      '--feature-gates=WatchList=false',
      `--audit-policy-file=${at('audit.yaml')}`,
      `--audit-log-path=${this.auditLog}`,
    ]).startUntil(() => this.#isReady());
    const [controllers, scheduler, kwok] = others;
    const own = [`--kubeconfig=${this.kubeconfig}`, `--bind-address=${host}`, '--leader-elect=false'];
    this.#daemon('kube-controller-manager', [
      programs['kube-controller-manager'],
      ...own,
      `--secure-port=${controllers}`,
      `--cert-dir=${at('controllers')}`,
      `--service-account-private-key-file=${at('accounts.key')}`,
      '--use-service-account-credentials',
      '--horizontal-pod-autoscaler-sync-period=5s',
    ]).launch();
    this.#daemon('kube-scheduler', [
      programs['kube-scheduler'],
      ...own,
      `--secure-port=${scheduler}`,
      `--cert-dir=${at('scheduler')}`,
    ]).launch();
    this.#daemon('kwok', [
      programs.kwok,
      `--config=${stagesFile}`,
      `--kubeconfig=${this.kubeconfig}`,
      '--manage-all-nodes=true',
      `--node-ip=${host}`,
      `--server-address=${host}:${kwok}`,
    ]).launch();
  }

  #daemon(name: string, command: readonly string[]): Daemon {
    const daemon = new Daemon(name, path.join(this.#directory, `${name}.log`), command);
    this.#daemons.push(daemon);
    return daemon;
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await this.api.request('GET', '/readyz')).status === 200;
    } catch {
      return false; // not listening yet
    }
  }

  /** Nodes, and volumes for claims: there is no provisioner. */
  async #furnish(): Promise<void> {
    await this.apply(
      ...nodes.map(nodeNamed),
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: {
          name: storageClass,
          annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
        },
        provisioner: 'kubernetes.io/no-provisioner',
      },
      ...Array.from({ length: volumeCount }, (_, number) => volume(number)),
    );
    await this.kubectl(['wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s']);
  }
}

interface Start {
  readonly client: number;
  readonly peer: number;
  readonly api: number;
  readonly others: readonly number[];
  readonly token: string;
  readonly audited: string;
}

export function listOf(objects: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
}

function auditPolicy(user: string): object {
  return {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata', users: [user] }, { level: 'None' }],
  };
}

function nodeNamed(name: string): object {
  const size = { cpu: '32', memory: '256Gi', pods: '110' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'topology.kubernetes.io/zone': name.replace('node', 'zone'),
      },
    },
    status: { allocatable: size, capacity: size },
  };
}

function volume(number: number): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `volume-${number}` },
    spec: {
      storageClassName: storageClass,
      capacity: { storage: '100Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: `/tmp/volume-${number}` },
    },
  };
}
