/** Programs of Debian's packages that build and run images. */
import { spawn, spawnSync } from 'node:child_process';
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
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let stdout = '';
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (all += text));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${file} ${args.join(' ')}: exit code ${code}\n${all.slice(-4000)}`));
    });
  });
}
