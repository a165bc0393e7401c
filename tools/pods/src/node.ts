/** A node for pods: a network of its own, and containerd in it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { interruptedCode, isInterrupted, runAttached, runProgram } from '@loki/image';
import { Daemon } from '@loki/services';
import { ContainerRuntime } from './cri.ts';

/** Address of the node in the pods' network. */
const podNetwork = '10.244.0.0/24';
export const nodeAddress = '10.244.0.1';
const bridge = 'cni0';
/** Of all pods, below the root of each hierarchy. */
export const controlGroup = 'loki-pods';
const pauseImage = 'localhost/pause:1';

/**
 * Runs `file` again inside a new network, with `insideFlag`. Processes that it leaves there are killed.
 *
 * @returns its exit code
 */
export async function runInNetwork(
  file: string,
  args: readonly string[],
  insideFlag: string,
): Promise<number> {
  if (isInterrupted()) return interruptedCode;
  const name = `loki-pods-${process.pid}`;
  const ip = (...ipArgs: string[]): void => {
    const { status, stderr } = spawnSync('ip', ipArgs, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${ipArgs.join(' ')}: ${stderr}`);
  };
  ip('netns', 'add', name);
  try {
    const inside = ['nsenter', `--net=/run/netns/${name}`];
    for (const command of [
      ['ip', 'link', 'set', 'lo', 'up'],
      ['ip', 'link', 'add', bridge, 'type', 'bridge'],
      ['ip', 'address', 'add', `${nodeAddress}/24`, 'dev', bridge],
      ['ip', 'link', 'set', bridge, 'up'],
    ]) {
      const [program, ...rest] = [...inside, ...command];
      const { status, stderr } = spawnSync(program, rest, { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
    }
    const [program, ...rest] = [...inside, process.execPath, ...process.execArgv, file, insideFlag, ...args];
    return await runAttached(program, rest);
  } finally {
    const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout;
    for (const pid of pids.split('\n')) if (pid !== '') process.kill(Number(pid), 'SIGKILL');
    ip('netns', 'delete', name);
  }
}

/** Another address of the node, for a Service. */
export async function addAddress(address: string): Promise<void> {
  await runProgram('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

export class PodNode {
  readonly runtime: ContainerRuntime;
  readonly directory: string;
  readonly #daemon: Daemon;
  readonly #socket: string;

  private constructor(directory: string, daemon: Daemon, socket: string) {
    this.directory = directory;
    this.#daemon = daemon;
    this.#socket = socket;
    this.runtime = new ContainerRuntime(socket);
  }

  static async start(directory: string): Promise<PodNode> {
    const networks = path.join(directory, 'cni');
    fs.mkdirSync(networks, { recursive: true });
    fs.writeFileSync(path.join(networks, '10-pods.conflist'), networkConfig(directory));
    const config = path.join(directory, 'containerd.toml');
    const socket = path.join(directory, 'containerd.sock');
    fs.writeFileSync(config, containerdConfig(directory, socket, networks));
    const daemon = new Daemon('containerd', path.join(directory, 'containerd.log'), [
      'containerd',
      '--config',
      config,
    ]);
    const node = new PodNode(directory, daemon, socket);
    await daemon.startUntil(async () => {
      try {
        await node.runtime.version();
        return true;
      } catch {
        return false; // not listening yet
      }
    });
    await node.#importPause();
    return node;
  }

  /** @param archive  of the OCI's format; the image's tag is the one in there */
  async importImage(archive: string, name: string): Promise<void> {
    await this.#ctr('image', 'import', '--base-name', name, archive);
  }

  async stop(): Promise<void> {
    // Pods outlive the runtime. Without an answer their network is still removed with the node's.
    await this.runtime.removeAll().catch((error: unknown) => console.log(String(error)));
    this.runtime.close();
    await this.#daemon.stop();
    removeControlGroups();
  }

  /** The container that holds a pod's namespaces: it sleeps. */
  async #importPause(): Promise<void> {
    const folder = path.join(this.directory, 'pause');
    fs.mkdirSync(folder, { recursive: true });
    const source = path.join(folder, 'pause.c');
    fs.writeFileSync(source, '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n');
    const root = path.join(folder, 'root');
    fs.mkdirSync(root, { recursive: true });
    await runProgram('gcc', ['-static', '-O2', '-o', path.join(root, 'pause'), source]);
    const layout = path.join(folder, 'layout');
    const archive = path.join(folder, 'pause.tar');
    await runProgram('umoci', ['init', '--layout', layout]);
    await runProgram('umoci', ['new', '--image', `${layout}:1`]);
    await runProgram('umoci', ['config', '--image', `${layout}:1`, '--config.entrypoint', '/pause']);
    await runProgram('umoci', ['insert', '--image', `${layout}:1`, root, '/']);
    await runProgram('tar', ['-C', layout, '-cf', archive, '.']);
    await this.#ctr('image', 'import', '--base-name', pauseImage.split(':')[0], archive);
  }

  async #ctr(...args: string[]): Promise<void> {
    await runProgram('ctr', ['--address', this.#socket, '--namespace', 'k8s.io', ...args]);
  }
}

/** Control groups of pods remain after their containers; those of another run are not empty. */
function removeControlGroups(): void {
  for (const folder of fs.globSync(`/sys/fs/cgroup/{,*/}${controlGroup}`)) {
    const groups = fs.globSync('**/', { cwd: folder }).sort((a, b) => b.length - a.length);
    for (const group of [...groups, '']) {
      try {
        fs.rmdirSync(path.join(folder, group));
      } catch {
        // in use
      }
    }
  }
}

function networkConfig(directory: string): string {
  const ipam = {
    type: 'host-local',
    dataDir: path.join(directory, 'addresses'),
    ranges: [[{ subnet: podNetwork, gateway: nodeAddress, rangeStart: '10.244.0.10' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const plugin = { type: 'bridge', bridge, isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  return JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins: [plugin] });
}

/** Setting the scores of the memory killer needs rights that root of a sandbox may lack. */
function containerdConfig(directory: string, socket: string, networks: string): string {
  return `version = 2
root = "${directory}/containerd/root"
state = "${directory}/containerd/state"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "${pauseImage}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
`;
}
