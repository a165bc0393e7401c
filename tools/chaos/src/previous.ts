/** Version N-1 of this tree, made from its history, to run beside this version. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');

/**
 * The tree of a commit, with the packages that are installed here.
 *
 * @param commit anything that git resolves
 */
export function previousTree(commit: string, directory: string): string {
  const tree = path.join(directory, 'previous');
  const archive = `${tree}.tar`;
  fs.mkdirSync(tree, { recursive: true });
  execFileSync('git', ['archive', '--output', archive, commit], { cwd: root });
  execFileSync('tar', ['-xf', archive, '-C', tree]);
  fs.rmSync(archive);
  const modules = path.join(tree, 'node_modules');
  fs.mkdirSync(path.join(modules, '@loki'), { recursive: true });
  const installed = path.join(root, 'node_modules');
  for (const name of fs.readdirSync(installed)) {
    if (name.startsWith('.') || name === '@loki') continue;
    fs.symlinkSync(path.join(installed, name), path.join(modules, name));
  }
  // Our own packages are those of the other tree.
  for (const file of fs.globSync('{apps,libs}/**/package.json', { cwd: tree })) {
    const { name } = JSON.parse(fs.readFileSync(path.join(tree, file), 'utf8')) as { name: string };
    fs.symlinkSync(path.join(tree, path.dirname(file)), path.join(modules, name));
  }
  return tree;
}
