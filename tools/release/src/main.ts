/**
 * Makes a release of the committed tree in a folder:
 *
 *     npm run release -- [--out release] [--platforms linux/amd64,linux/arm64] [--node-image IMAGE] [--no-image]
 *
 * The image for each platform (an archive of the OCI's format, by buildah), its bill of materials, a package
 * of each chart, the package of the KubeSphere extension, and the checksums of all in SHA256SUMS. Packages
 * are the same bytes whenever one commit is released. Another platform than this machine's takes binfmt's
 * emulation.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { packExtension } from '@loki/deploy';
import { buildImage, exportImage, lackOf } from '@loki/image';
import { charts, versionFaults, versionsOf } from './versions.ts';

const root = path.resolve(import.meta.dirname, '../../..');

async function main(): Promise<number> {
  const { values } = readOptions(import.meta.filename, {
    options: {
      out: { type: 'string', default: 'release' },
      platforms: { type: 'string', default: '' },
      'node-image': { type: 'string', default: '' },
      'no-image': { type: 'boolean', default: false },
    },
  });
  const faults = versionFaults(root);
  const changes = git('status', '--porcelain');
  if (changes !== '') faults.push(`a release is of what is committed, and there are changes:\n${changes}`);
  const lack = values['no-image'] ? undefined : lackOf(['buildah']);
  if (lack !== undefined) faults.push(`the image cannot be built: ${lack}`);
  if (faults.length > 0) {
    console.error(faults.join('\n'));
    return 1;
  }
  const out = path.resolve(root, values.out);
  fs.rmSync(out, { recursive: true, force: true });
  fs.mkdirSync(out, { recursive: true });
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-release-'));
  try {
    if (!values['no-image']) {
      for (const platform of values.platforms.split(',')) {
        await writeImage(out, work, platform, values['node-image']);
      }
    }
    writePackages(out, work);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  const names = fs.readdirSync(out).toSorted();
  const sums = names.map((name) => `${sha256(path.join(out, name))}  ${name}\n`).join('');
  fs.writeFileSync(path.join(out, 'SHA256SUMS'), sums);
  process.stdout.write(sums);
  return 0;
}

/** @param platform  '': this machine's. @param nodeImage  '': the Dockerfile's */
async function writeImage(out: string, work: string, platform: string, nodeImage: string): Promise<void> {
  const { product } = versionsOf(root);
  const store = path.join(work, 'store');
  fs.mkdirSync(store, { recursive: true });
  const tag = `localhost/loki:${product}`;
  const suffix =
    platform === ''
      ? `linux-${process.arch === 'x64' ? 'amd64' : process.arch}`
      : platform.replaceAll('/', '-');
  await buildImage({
    store,
    tag,
    version: product,
    revision: git('rev-parse', 'HEAD'),
    sourceDate: sourceDate(),
    ...(platform === '' ? {} : { platform }),
    buildArgs: nodeImage === '' ? {} : { NODE_IMAGE: nodeImage },
  });
  await exportImage(store, tag, path.join(out, `loki-${product}-image-${suffix}.tar`));
  fs.rmSync(store, { recursive: true, force: true });
}

function writePackages(out: string, work: string): void {
  const { product } = versionsOf(root);
  for (const chart of charts(root)) {
    const folder = path.join(work, 'charts', chart);
    fs.cpSync(path.join(root, 'deploy/helm', chart), folder, { recursive: true, dereference: true });
    pack(folder, path.join(out, `${chart}-${product}.tgz`));
  }
  const extension = packExtension(path.join(work, 'extension', 'loki'));
  pack(extension, path.join(out, `loki-extension-${product}.tgz`));
  const dist = path.join(work, 'dist');
  execFileSync('npm', ['run', '-s', 'build', '--', '--out', dist], { cwd: root, stdio: 'inherit' });
  fs.copyFileSync(path.join(dist, 'sbom.cdx.json'), path.join(out, `loki-${product}.cdx.json`));
  fs.copyFileSync(path.join(dist, 'LICENSES.txt'), path.join(out, `loki-${product}-licenses.txt`));
}

/** As Helm packs a chart, one folder with its name; without the time and the user of the machine. */
function pack(folder: string, file: string): void {
  const same = [
    '--sort=name',
    `--mtime=@${sourceDate()}`,
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=a+rX,u+w,go-w',
  ];
  const archive = path.join(path.dirname(folder), 'package.tar');
  execFileSync('tar', [
    ...same,
    '--format=ustar',
    '-C',
    path.dirname(folder),
    '-cf',
    archive,
    path.basename(folder),
  ]);
  fs.writeFileSync(file, execFileSync('gzip', ['-9', '-n', '-c', archive], { maxBuffer: 64 * 2 ** 20 }));
  fs.rmSync(archive);
}

function sourceDate(): number {
  return Number(git('log', '-1', '--format=%ct'));
}

function sha256(file: string): string {
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
}

process.exitCode = await main();
