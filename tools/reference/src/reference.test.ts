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

/** Runs a program of this tool, and reads the files that it writes. */
function filesMadeBy(program: string): Record<string, string> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'reference-'));
  try {
    // TypeScript's API is ESM, and talks to a process of its own.
    execFileSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', path.join(__dirname, program), '--to', directory],
      { env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    return filesOf(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

test('the pages are those of the code: npm run docs:reference', () => {
  const { 'idle-keys.json': idleKeys, ...made } = filesMadeBy('main.ts');
  expect(Object.keys(made)).toEqual(['configuration.md', 'errors.md', 'metrics.md', 'routes.md']);
  expect(filesOf(pages)).toEqual(made);
  expect(fs.readFileSync(path.join(root, 'libs/words/config/src/idle-keys.json'), 'utf8')).toBe(idleKeys);
});

test('each library has a page of its exports, with signatures and without bodies: npm run docs:api', () => {
  const made = filesMadeBy('api-main.ts');
  const libraries = fs
    .readdirSync(path.join(root, 'libs'))
    .flatMap((group) => fs.readdirSync(path.join(root, 'libs', group)));
  expect(Object.keys(made)).toEqual(['README', ...libraries].map((name) => `${name}.md`).sort());
  expect(made['model.md']).toContain('export function hash64(text: string): bigint;');
  expect(made['distributor.md']).toContain(
    '  async push(tenant: TenantId, request: HttpRequest): Promise<HttpResponse>;',
  );
  expect(made['distributor.md']).not.toMatch(/^ {2}(?:readonly )?#/m);
});
