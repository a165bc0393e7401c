/** Loads configurations from memory for tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../load-config.ts';
import type { LoadedConfig } from '../load-config.ts';

const testdata = join(__dirname, '../../testdata');
/** Text of a file of testdata. */
export const read = (name: string) => readFileSync(join(testdata, name), 'utf8');

/** Loads as the program does, from files in memory. */
export async function load(
  argv: readonly string[],
  files: Record<string, string> = {},
  env: Record<string, string> = {},
): Promise<LoadedConfig> {
  return loadConfig({
    argv,
    env: (name) => env[name],
    readText: (path) => Promise.resolve(files[path]),
    versionText: 'loki, version test',
  });
}

/** Loads a configuration that must be accepted. */
export async function running(
  argv: readonly string[],
  files: Record<string, string> = {},
  env: Record<string, string> = {},
) {
  const loaded = await load(argv, files, env);
  if (loaded.kind !== 'run') throw new Error(`expected to run, got: ${loaded.stderr}`);
  return loaded;
}

/** The text with which a configuration file is refused. */
export async function refusal(yaml: string, argv: readonly string[] = []): Promise<string> {
  const loaded = await load(['-config.file=a.yaml', ...argv], { 'a.yaml': yaml });
  if (loaded.kind !== 'exit') throw new Error('expected a refusal');
  expect(loaded.code).toBe(1);
  return loaded.stderr.trimEnd();
}
