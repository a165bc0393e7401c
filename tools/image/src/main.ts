/**
 * Tests of the image: builds deploy/docker/Dockerfile from the committed tree, by buildah on a stand-in for
 * the image it begins with, judges its contents and sizes, and runs it under runc.
 *
 *     npm run test:image -- [--save FILE] [--archive FILE]
 *
 * --save keeps the archive of the image, --archive takes one that was built before. Programs that are missing
 * are installed from Debian's packages. Where they cannot be had the test prints why, and is skipped.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { Checks } from './checks.ts';
import { unpackImage } from './container.ts';
import { checkContents } from './contents.ts';
import { lackOf } from './programs.ts';
import { checkRuns } from './runs.ts';
import { buildTestImage, testTag } from './test-image.ts';

async function main(): Promise<number> {
  const { values } = readOptions(import.meta.filename, {
    options: { archive: { type: 'string' }, save: { type: 'string' } },
  });
  const lack = lackOf(['buildah', 'debootstrap', 'runc', 'umoci']);
  if (lack !== undefined) {
    console.log(`skipped: the image: ${lack}`);
    return 0;
  }
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-image-'));
  try {
    const archive = values.archive ?? (await buildTestImage(directory));
    if (values.save !== undefined) fs.copyFileSync(archive, values.save);
    const bundle = await unpackImage(archive, testTag, directory);
    const checks = new Checks();
    checkContents(checks, path.join(directory, 'layout'), path.join(bundle, 'rootfs'));
    await checkRuns(checks, bundle, directory);
    return checks.finish();
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

process.exitCode = await main();
