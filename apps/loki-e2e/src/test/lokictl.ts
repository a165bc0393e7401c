/** Runs the real lokictl against a process. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const main = path.resolve(import.meta.dirname, '../../../lokictl/src/main.ts');

/** The output of a command that ends with 0. */
export async function lokictl(...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...words], {
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  return stdout;
}
