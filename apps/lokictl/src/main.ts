#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** Main program of lokictl. */
import { readFile } from 'node:fs/promises';
import { loadHash } from '@loki/model';
import { NodeTimers } from '@loki/runtime';
import { run } from './run.ts';

/** The reader of the output may close it early, as `head` does: that is no failure. */
function onUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}

async function main(): Promise<void> {
  process.stdout.on('error', onUnread);
  await loadHash();
  const timers = new NodeTimers({ keepsAlive: true });
  process.exitCode = await run(process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    readFile: (path) => readFile(path),
    env: (name) => process.env[name],
    pause: (ms) => timers.sleep(ms),
    // Asked each time: the user may change the size of the window.
    get terminal() {
      const { isTTY, columns, rows } = process.stdout;
      return isTTY ? { columns, rows } : undefined;
    },
  });
}

void main();
