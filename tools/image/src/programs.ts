/** Programs of Debian's packages that build and run images. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** Each program with the package that has it. */
const packagesOf: Readonly<Record<string, string>> = {
  buildah: 'buildah',
  bridge: 'containernetworking-plugins',
  containerd: 'containerd',
  debootstrap: 'debootstrap',
  gcc: 'gcc',
  runc: 'runc',
  umoci: 'umoci',
};

/**
 * Installs missing ones of `programs`, if the machine allows it.
 *
 * @returns the reason when some are missing; undefined: all are present
 */
export function lackOf(programs: readonly string[]): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it takes Linux, and root';
  const missing = programs.filter((name) => !isThere(name));
  if (missing.length === 0) return undefined;
  const names = missing.map((name) => packagesOf[name]);
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', ...names];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { stdio: 'ignore', env, timeout: 400_000 } as const;
  if (spawnSync(install[0], install.slice(1), quiet).status !== 0) {
    spawnSync('apt-get', ['update'], quiet);
    spawnSync(install[0], install.slice(1), quiet);
  }
  const lacking = missing.filter((name) => !isThere(name));
  return lacking.length === 0 ? undefined : `Debian's packages cannot be installed: ${lacking.join(', ')}`;
}

/** Plugins of pods' networks are in no path. */
const networkPlugins = '/usr/lib/cni';

function isThere(program: string): boolean {
  return fs.existsSync(path.join(networkPlugins, program)) || spawnSync('which', [program]).status === 0;
}

/** Programs that run now. Each leads a group of processes once `endProgramsOnSignals` was called. */
const running = new Set<ChildProcess>();
let haveGroups = false;
let wasInterrupted = false;

/** Exit code of a program that SIGINT ends. */
export const interruptedCode = 130;

/**
 * From now on SIGINT and SIGTERM end all programs with their descendants, and no other one starts: the work
 * fails at its present step, and its `finally` blocks clean up.
 */
export function endProgramsOnSignals(): void {
  haveGroups = true;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      wasInterrupted = true;
      for (const child of running) signalGroup(child, 'SIGTERM');
    });
  }
}

export function isInterrupted(): boolean {
  return wasInterrupted;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // It has ended.
  }
}

function launch(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  if (wasInterrupted) throw new Error(`${file} is not started after a signal`);
  const child = spawn(file, args, { ...options, detached: haveGroups });
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

/** Runs a program that has the standard streams of this one. @returns its exit code, 1 after a signal */
export function runAttached(file: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = launch(file, args, { stdio: 'inherit' });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/**
 * Runs a program to its end.
 *
 * @returns its standard output
 * @throws Error with its output when it fails
 */
export function runProgram(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  return new Promise<string>((resolve, reject) => {
    const child = launch(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let stdout = '';
    let all = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      all += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (all += text));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${file} ${args.join(' ')}: exit code ${code}\n${all.slice(-4000)}`));
    });
  });
}
