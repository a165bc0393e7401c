#!/usr/bin/env node
/**
 * The main of the built product: `main.js gateway -config.file=…`, `main.js lokictl ring`, or the flags
 * alone, which start what `-target` names.
 */
import process from 'node:process';

/** Names of the apps beside this file, separated by commas; the build inserts them. */
declare const builtApps: string;

const apps = builtApps.split(',');
const usageError = 2;
/** Loki's name for all components in one process. */
const everything = 'all';

const [name = ''] = process.argv.slice(2, 3);
const isFlag = name === '' || name.startsWith('-');
if (isFlag || name === everything || apps.includes(name)) {
  // An app sees only its own arguments.
  if (!isFlag) process.argv.splice(2, 1);
  const app = isFlag || name === everything ? 'loki' : name;
  await import(new URL(`./${app}.js`, import.meta.url).href);
} else {
  const names = [...apps, everything].toSorted().join(', ');
  process.stderr.write(`no app is named ${name}; the first argument is one of ${names}, or a flag\n`);
  process.exitCode = usageError;
}
