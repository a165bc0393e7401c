/** Protects readers of examples: each `ts` block of a page compiles by itself, as a module of this tree. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const root = path.join(__dirname, '../../..');
/** Ignored by git, and below the packages that examples import. */
const directory = path.join(root, 'tools/reference/dist/examples');

const skipped = new Set(['node_modules', 'api', 'testdata']);

function pagesBelow(folder: string): string[] {
  return fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : pagesBelow(file);
    return entry.name.endsWith('.md') ? [file] : [];
  });
}

test('examples of doc comments compile', () => {
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true });
  const config = { extends: '../../../../tsconfig.base.json', include: ['*.ts'] };
  fs.writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify(config));
  let count = 0;
  for (const file of [
    'README.md',
    'CONTRIBUTING.md',
    'ARCHITECTURE.md',
    ...pagesBelow('docs'),
    ...pagesBelow('libs'),
  ]) {
    const text = fs.readFileSync(path.join(root, file), 'utf8');
    for (const [, code] of text.matchAll(/^```ts\n([^]*?)^```/gm)) {
      const name = `${file.replaceAll(/[^a-z]+/gi, '-')}-${count++}.ts`;
      fs.writeFileSync(path.join(directory, name), `${code}\nexport {};\n`);
    }
  }
  expect(count).toBeGreaterThanOrEqual(8);
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [compiler, '-p', directory], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  expect(stdout).toBe('');
  fs.rmSync(directory, { recursive: true, force: true });
});
