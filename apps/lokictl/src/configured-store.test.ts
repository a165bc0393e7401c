/**
 * Protects operators from a mistyped path: no command takes an empty directory for a sound store, or makes a
 * store there.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.ts';

const parent = mkdtempSync(join(tmpdir(), 'lokictl-store-'));
afterAll(() => rmSync(parent, { recursive: true }));

async function lokictl(...words: readonly string[]) {
  let [out, err] = ['', ''];
  const code = await run(words, {
    out: (text) => (out += text),
    err: (text) => (err += text),
    readFile,
    pause: () => Promise.resolve(),
    env: () => undefined,
  });
  return { code, out, err };
}

/** Every command that opens a store, with the words that it needs. */
const commands: readonly (readonly string[])[] = [
  ['retention', '--dry-run'],
  ['owner', 'show'],
  ['owner', 'move', '--to', 'a'.repeat(32)],
  ['store', 'verify'],
  ['repair', '--dry-run'],
  ['repair'],
];

test('these are all commands that open a store', async () => {
  const { out: overview } = await lokictl('--help');
  const opening = new Set<string>();
  for (const [, usage] of overview.matchAll(/^ {2}lokictl (.*)$/gm)) {
    const words = usage.split(' ').filter((word) => /^[a-z]+$/.test(word));
    const { out: help } = await lokictl(...words, '--help');
    if (/--config FILE\t/.test(help)) opening.add(words.join(' '));
  }
  const tested = commands.map((words) => words.filter((word) => /^[a-z]{2,20}$/.test(word)).join(' '));
  expect(opening).toEqual(new Set(tested));
});

test.each(commands.map((words) => [words.join(' '), words] as const))(
  '%s refuses a directory without a store, and makes none',
  async (_, words) => {
    const empty = join(parent, 'empty');
    mkdirSync(empty, { recursive: true });
    const missing = join(parent, 'missing');
    for (const directory of [empty, missing]) {
      const { code, out, err } = await lokictl(...words, directory);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toContain(`lokictl: there is no store in ${directory}: nothing is stored below catalog/`);
    }
    expect(readdirSync(empty)).toEqual([]);
    expect(existsSync(missing)).toBe(false);
  },
);

test('a configured store that does not exist is refused as well', async () => {
  const file = join(parent, 'loki.yaml');
  await writeFile(file, `common: {path_prefix: ${join(parent, 'data')}}\n`);
  for (const words of commands) {
    const { code, err } = await lokictl(...words, '--config', file);
    expect(code).toBe(1);
    expect(err).toContain(`there is no store in ${join(parent, 'data', 'chunks')}`);
  }
});
