/**
 * One container under runc, as strict as a restricted pod: read-only root, no capability, a bound on memory.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { runProgram } from './programs.ts';

/** The user of the image. */
const uid = 10_001;

interface ContainerOptions {
  /** Runs are named after it. */
  readonly name: string;
  /** Unpacked image: `bundle` of `unpackImage`. */
  readonly bundle: string;
  /** Of this run: config.json, the log, the volume. */
  readonly directory: string;
  /** Arguments after the image's entry point. */
  readonly args: readonly string[];
  readonly memoryMib: number;
  /** Files that the container reads below /etc/loki. */
  readonly config?: Readonly<Record<string, string>>;
}

interface RuntimeConfig {
  process: Record<string, unknown> & { args: string[] };
  root: { path: string; readonly: boolean };
  mounts: { destination: string; type?: string; source?: string; options?: string[] }[];
  linux: { namespaces: { type: string }[]; resources?: unknown; cgroupsPath?: string; seccomp?: unknown };
}

/** Unpacks an archive of an image. @returns the folder that runc calls a bundle */
export async function unpackImage(archive: string, tag: string, directory: string): Promise<string> {
  const layout = path.join(directory, 'layout');
  const bundle = path.join(directory, 'bundle');
  fs.rmSync(layout, { recursive: true, force: true });
  fs.rmSync(bundle, { recursive: true, force: true });
  fs.mkdirSync(layout, { recursive: true });
  await runProgram('tar', ['-xf', archive, '-C', layout]);
  await runProgram('umoci', ['unpack', '--image', `${layout}:${tag}`, bundle]);
  return bundle;
}

export class Container {
  readonly #options: ContainerOptions;
  readonly #ended: Promise<number>;

  private constructor(options: ContainerOptions, ended: Promise<number>) {
    this.#options = options;
    this.#ended = ended;
  }

  static start(options: ContainerOptions): Container {
    const { name, bundle, directory, config = {} } = options;
    const volume = path.join(directory, 'volume');
    const files = path.join(directory, 'config');
    for (const folder of [volume, files]) fs.mkdirSync(folder, { recursive: true });
    fs.chownSync(volume, uid, uid);
    for (const [file, text] of Object.entries(config)) fs.writeFileSync(path.join(files, file), text);
    const image = JSON.parse(fs.readFileSync(path.join(bundle, 'config.json'), 'utf8')) as RuntimeConfig;
    fs.writeFileSync(
      path.join(directory, 'config.json'),
      JSON.stringify(runtimeConfig(image, { ...options, volume, files })),
    );
    const log = fs.openSync(path.join(directory, 'log'), 'a');
    const child = spawn('runc', ['run', '--bundle', directory, name], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    // runc passes on the exit code of the container's process.
    const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 128)));
    return new Container(options, ended);
  }

  log(): string {
    return fs.readFileSync(path.join(this.#options.directory, 'log'), 'utf8');
  }

  /** Process id of its first process on this machine; undefined: it does not run. */
  get pid(): number | undefined {
    const { stdout, status } = spawnSync('runc', ['state', this.#options.name], { encoding: 'utf8' });
    if (status !== 0) return undefined;
    const state = JSON.parse(stdout) as { readonly status: string; readonly pid: number };
    return state.status === 'running' ? state.pid : undefined;
  }

  /** SIGTERM. @returns its exit code; 137 when it had to be killed after `graceMs` */
  async stop(graceMs: number): Promise<number> {
    const { name } = this.#options;
    spawnSync('runc', ['kill', name, 'TERM']);
    const kill = setTimeout(() => spawnSync('runc', ['kill', name, 'KILL']), graceMs);
    const code = await this.#ended;
    clearTimeout(kill);
    return code;
  }

  /** Resolves with its exit code when it ends by itself. */
  get ended(): Promise<number> {
    return this.#ended;
  }
}

/** The image's own settings with the bounds of a restricted pod. The network is the machine's. */
function runtimeConfig(
  image: RuntimeConfig,
  options: ContainerOptions & { readonly volume: string; readonly files: string },
): RuntimeConfig {
  const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
  // Raising the limits of files and the priority of the memory killer needs rights that root of a sandbox may
  // lack.
  const { oomScoreAdj: _, rlimits: __, ...process } = image.process;
  return {
    ...image,
    process: {
      ...process,
      terminal: false,
      args: [...entryPointOf(image), ...options.args],
      capabilities: none,
      noNewPrivileges: true,
    },
    root: { path: path.join(options.bundle, 'rootfs'), readonly: true },
    mounts: [
      ...image.mounts.filter((each) => !['/var/loki', '/etc/resolv.conf', '/tmp'].includes(each.destination)),
      {
        destination: '/tmp',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'nodev', 'mode=1777', 'size=64m'],
      },
      { destination: '/var/loki', type: 'bind', source: options.volume, options: ['rbind', 'rw'] },
      { destination: '/etc/loki', type: 'bind', source: options.files, options: ['rbind', 'ro'] },
    ],
    linux: {
      ...image.linux,
      namespaces: image.linux.namespaces.filter((each) => !['network', 'user'].includes(each.type)),
      resources: { memory: { limit: options.memoryMib * 2 ** 20 } },
      cgroupsPath: `/loki-image/${options.name}`,
    },
  };
}

/** The image's arguments begin with its entry point: Node and the script. */
function entryPointOf(image: RuntimeConfig): string[] {
  return image.process.args.slice(0, 2);
}
