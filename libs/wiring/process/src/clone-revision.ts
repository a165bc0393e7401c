/** The commit that a process runs from in a clone, where no build has set it. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');

/** The commit of HEAD below `folder`; '': it is no clone. Reads three small files and runs no program. */
export function cloneRevision(folder = root): string {
  try {
    const git = gitFolderOf(path.join(folder, '.git'));
    const head = textOf(git, 'HEAD');
    const ref = /^ref: (.*)$/.exec(head)?.[1];
    if (ref === undefined) return commitIn(head);
    // A working tree beside the clone has a HEAD of its own, and the clone's branches.
    const shared = fs.existsSync(path.join(git, 'commondir'))
      ? path.resolve(git, textOf(git, 'commondir'))
      : git;
    if (fs.existsSync(path.join(shared, ref))) return commitIn(textOf(shared, ref));
    const packed = textOf(shared, 'packed-refs').split('\n');
    return commitIn(packed.find((line) => line.endsWith(` ${ref}`)) ?? '');
  } catch {
    return ''; // the revision is informative: a start must not fail for it
  }
}

function gitFolderOf(entry: string): string {
  if (fs.statSync(entry).isDirectory()) return entry;
  return path.resolve(path.dirname(entry), textOf(path.dirname(entry), '.git').replace(/^gitdir: /, ''));
}

function textOf(folder: string, name: string): string {
  return fs.readFileSync(path.join(folder, name), 'utf8').trim();
}

function commitIn(text: string): string {
  return /^[0-9a-f]{40,64}/.exec(text)?.[0] ?? '';
}
