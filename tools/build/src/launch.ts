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

/** The oldest Node that has all that the apps use; older ones fail at their first import. */
const nodeMajorLeast = 24;

const [name = ''] = process.argv.slice(2, 3);
const isFlag = name === '' || name.startsWith('-');
if (Number.parseInt(process.versions.node, 10) < nodeMajorLeast) {
  process.stderr.write(`Node ${nodeMajorLeast} or newer is needed; this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else if (isFlag || name === everything || apps.includes(name)) {
  // An app sees only its own arguments.
  if (!isFlag) process.argv.splice(2, 1);
  const app = isFlag || name === everything ? 'loki' : name;
  await import(new URL(`./${app}.js`, import.meta.url).href);
} else {
  const names = [...apps, everything].toSorted().join(', ');
  process.stderr.write(`no app is named ${name}; the first argument is one of ${names}, or a flag\n`);
  process.exitCode = usageError;
}
