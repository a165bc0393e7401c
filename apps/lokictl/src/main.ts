#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { readFile } from 'node:fs/promises';
import { loadHash } from '@loki/model';
import { run } from './run.ts';

async function main(): Promise<void> {
  await loadHash();
  process.exitCode = await run(process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    readFile: (path) => readFile(path),
    env: (name) => process.env[name],
  });
}

void main();
