/**
 * A stand-in for the image that the Dockerfile begins with, made of Debian's packages where no registry of
 * images can be reached: the contents by which the build and the sizes are what they are elsewhere.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runProgram } from './programs.ts';

/** Cached between runs: it takes a minute to make. */
const cache = process.env['LOKI_IMAGE_CACHE'] || path.join(os.homedir(), '.cache', 'loki-image');

const release = 'bookworm';
/** A Debian with Node and npm, as `node:VERSION-bookworm` is one. @returns its folder */
export async function nodeRoot(nodeDirectory: string): Promise<string> {
  const folder = path.join(cache, `node-${release}`);
  await once(folder, async (partial) => {
    await runProgram('debootstrap', [
      '--variant=minbase',
      '--include=binutils,ca-certificates',
      release,
      partial,
    ]);
    fs.rmSync(path.join(partial, 'var/cache/apt'), { recursive: true, force: true });
    fs.rmSync(path.join(partial, 'var/lib/apt'), { recursive: true, force: true });
    const local = path.join(partial, 'usr/local');
    fs.cpSync(path.join(nodeDirectory, 'bin/node'), path.join(local, 'bin/node'));
    fs.cpSync(path.join(nodeDirectory, 'LICENSE'), path.join(local, 'LICENSE'));
    const npm = fs.realpathSync((await runProgram('npm', ['root', '--global'])).trim());
    fs.cpSync(path.join(npm, 'npm'), path.join(local, 'lib/node_modules/npm'), { recursive: true });
    fs.symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', path.join(local, 'bin/npm'));
  });
  return folder;
}

/** Makes a folder as a whole or not at all. */
async function once(folder: string, fill: (partial: string) => Promise<void>): Promise<void> {
  if (fs.existsSync(folder)) return;
  const partial = `${folder}.partial`;
  fs.rmSync(partial, { recursive: true, force: true });
  fs.mkdirSync(partial, { recursive: true });
  await fill(partial);
  fs.renameSync(partial, folder);
}
