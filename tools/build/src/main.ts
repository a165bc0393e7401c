/**
 * Builds the product into a folder that Node alone can run: `npm run build -- [--out dist]`.
 *
 * The commit comes from git, or from $LOKI_REVISION where there is none, as in the build of an image; the
 * date from $SOURCE_DATE_EPOCH or the commit. One source gives the same bytes always.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { readOptions } from '@loki/command-line';
import { build } from './build.ts';

const root = path.resolve(import.meta.dirname, '../../..');

async function main(): Promise<void> {
  const { values } = readOptions(import.meta.filename, {
    options: { out: { type: 'string', default: 'dist' } },
  });
  const outdir = path.resolve(root, values.out);
  const { apps, packages } = await build({
    root,
    outdir,
    revision: process.env['LOKI_REVISION'] || git('rev-parse', 'HEAD'),
    builtAt: new Date(
      Number(process.env['SOURCE_DATE_EPOCH'] || git('log', '-1', '--format=%ct')) * 1000,
    ).toISOString(),
  });
  console.log(`${outdir}: ${apps.length} apps (${apps.join(', ')}), ${packages.length} packages`);
}

/** '' where there is no repository. */
function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

await main();
