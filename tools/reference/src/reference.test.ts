/**
 * Protects the reference pages: a metric, key, error or route that the code has stands on its page, and none
 * else does.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.join(__dirname, '../../..');
const pages = path.join(root, 'docs/reference');

function filesOf(directory: string): Record<string, string> {
  return Object.fromEntries(
    fs
      .readdirSync(directory)
      .sort()
      .map((name) => [name, fs.readFileSync(path.join(directory, name), 'utf8')]),
  );
}

test('the pages are those of the code: npm run docs:reference', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'reference-'));
  try {
    // TypeScript's API is ESM, and talks to a process of its own.
    execFileSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', path.join(__dirname, 'main.ts'), '--to', directory],
      { env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const made = filesOf(directory);
    expect(Object.keys(made)).toEqual(['configuration.md', 'errors.md', 'metrics.md', 'routes.md']);
    expect(filesOf(pages)).toEqual(made);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
