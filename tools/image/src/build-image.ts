/** Builds deploy/docker/Dockerfile by buildah: no engine, no daemon. */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { runProgram } from './programs.ts';

export const root = path.resolve(import.meta.dirname, '../../..');

interface ImageOptions {
  /** Directory of buildah's layers. */
  readonly store: string;
  /** `localhost/loki:1.2.3`. */
  readonly tag: string;
  readonly version: string;
  readonly revision: string;
  /** Seconds since 1970: the date of the commit, so that one source gives the same image. */
  readonly sourceDate: number;
  /** `linux/arm64`; default: this machine's. */
  readonly platform?: string;
  /** Values of the Dockerfile's other arguments. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** `HOST:CONTAINER` of folders that commands of the build see. */
  readonly volumes?: readonly string[];
}

/** Builds the committed files, independently of the work tree. */
export async function buildImage(options: ImageOptions): Promise<void> {
  const { store, tag, version, revision, sourceDate, platform, buildArgs = {}, volumes = [] } = options;
  const context = path.join(store, 'context');
  fs.rmSync(context, { recursive: true, force: true });
  fs.mkdirSync(context, { recursive: true });
  try {
    await runProgram('sh', ['-c', 'git -C "$0" archive "$1" | tar -x -C "$2"', root, revision, context]);
    const args = Object.entries({
      VERSION: version,
      REVISION: revision,
      CREATED: new Date(sourceDate * 1000).toISOString(),
      SOURCE_DATE_EPOCH: String(sourceDate),
      ...buildArgs,
    });
    await buildah(store, [
      'bud',
      '--isolation=chroot',
      '--layers=false',
      `--timestamp=${sourceDate}`,
      ...(platform === undefined ? [] : [`--platform=${platform}`]),
      ...args.map(([name, value]) => `--build-arg=${name}=${value}`),
      ...volumes.map((volume) => `--volume=${volume}`),
      `--file=${path.join(context, 'deploy/docker/Dockerfile')}`,
      `--tag=${tag}`,
      context,
    ]);
  } finally {
    fs.rmSync(context, { recursive: true, force: true });
  }
}

/** An image with the contents of `folder`, for builds to begin with. */
export async function imageOfFolder(store: string, tag: string, folder: string): Promise<void> {
  const container = (await buildah(store, ['from', 'scratch'])).trim();
  await buildah(store, ['copy', '--quiet', container, folder, '/']);
  const variables = '--env=PATH=/usr/local/bin:/usr/bin:/bin';
  await buildah(store, ['config', variables, container]);
  await buildah(store, ['commit', '--quiet', '--rm', container, tag]);
}

/** Writes an image as an archive of the OCI's format, its layers compressed by gzip. */
export async function exportImage(store: string, tag: string, file: string): Promise<void> {
  fs.rmSync(file, { force: true });
  const name = tag.slice(tag.lastIndexOf(':') + 1);
  await buildah(store, [
    'push',
    '--format=oci',
    '--compression-format=gzip',
    tag,
    `oci-archive:${file}:${name}`,
  ]);
}

export async function buildah(store: string, args: readonly string[]): Promise<string> {
  const places = [`--root=${path.join(store, 'layers')}`, `--runroot=${path.join(store, 'run')}`];
  return runProgram('buildah', ['--storage-driver=vfs', ...places, ...args], {
    // A machine's policy of signatures applies to images from elsewhere.
    BUILDAH_ISOLATION: 'chroot',
    HOME: process.env['HOME'] ?? '/root',
  });
}
