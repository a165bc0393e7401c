/** Protects the answer to "do all processes run this version?": a clone shows its commit. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cloneRevision } from './clone-revision.ts';

const commit = 'a1'.repeat(20);
let folder: string;
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-clone-'))));
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, `${text}\n`);
  }
}

test.each<[string, Readonly<Record<string, string>>, string]>([
  ['a branch', { '.git/HEAD': 'ref: refs/heads/main', '.git/refs/heads/main': commit }, '.'],
  [
    'a packed branch',
    { '.git/HEAD': 'ref: refs/heads/main', '.git/packed-refs': `# pack-refs\n${commit} refs/heads/main` },
    '.',
  ],
  ['no branch', { '.git/HEAD': commit }, '.'],
  [
    'a working tree beside the clone',
    {
      'tree/.git': 'gitdir: ../.git/worktrees/tree',
      '.git/worktrees/tree/HEAD': 'ref: refs/heads/x',
      '.git/worktrees/tree/commondir': '../..',
      '.git/refs/heads/x': commit,
    },
    'tree',
  ],
])('%s', (_, files, below) => {
  write(files);
  expect(cloneRevision(path.join(folder, below))).toBe(commit);
});

test('a folder that is no clone, or a damaged one, has none', () => {
  expect(cloneRevision(folder)).toBe('');
  write({ '.git/HEAD': 'ref: refs/heads/main', '.git/refs/heads/main': 'x' });
  expect(cloneRevision(folder)).toBe('');
});
