/** Replays cases from public bug reports. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Collection } from './collections.ts';

/**
 * Replays the cases from public bug reports against the server at `url`, in tenants of their own; prints
 * differences.
 *
 * @param isFlushed the lines are flushed before the queries
 * @returns false: an answer is wrong, or the runner could not judge
 */
export async function replayReports(
  { directory }: Collection,
  url: string,
  isFlushed: boolean,
): Promise<boolean> {
  const args = [path.join(directory, 'run.mjs'), '--url', url, ...(isFlushed ? ['--flush'] : [])];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  return new Promise((resolve) => child.once('exit', (code) => resolve(code === 0)));
}
