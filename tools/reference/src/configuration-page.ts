/** docs/reference/configuration.md: every key of the configuration file, and whether it has an effect. */
import fs from 'node:fs';
import path from 'node:path';
import { loadConfig, reasonOf, schema } from '@loki/config';
import type { KeySpec } from '@loki/config';
import { cell, code, opening, table } from './markdown.ts';
import { root } from './source.ts';

/** Configurations that together read every key with an effect. */
const samples = [
  'libs/words/config/testdata/loki',
  'deploy/dev',
  'deploy/compose/config',
  'tools/reference/testdata',
];

export function configurationPage(isUsed: (key: string) => boolean): string {
  const keys = [...schema().byPath.values()];
  const bySection = Map.groupBy(keys, ({ path: key }) =>
    key.includes('.') ? key.slice(0, key.indexOf('.')) : '',
  );
  const parts = [...bySection].map(([section, own]) => sectionText(section, own, isUsed));
  const ours = keys.filter(({ path: key, help }) => help !== '' && isUsed(key));
  return [
    opening(
      'Configuration keys',
      `Every key that the configuration file may have, ${keys.length} of them, with its flag. Loki’s keys keep their names, defaults and meaning:
[Loki’s reference](https://grafana.com/docs/loki/latest/configure/) explains them. *Ours* are keys that Loki does not have. *No effect*
are keys of Loki that are accepted and mean nothing here; the log of a start names those that a file sets. A row that ends with
\`.*\` stands for all keys below it.

\`npm start -- -verify-config -config.file=FILE\` checks a file, \`GET /config\` shows the values in force, \`GET /config?mode=diff\` those that
are not defaults. Keys of \`limits_config\` may stand in the overrides of a tenant too.`,
    ),
    `## Ours\n\n${table(
      ['key', 'kind', 'default', 'meaning'],
      ours.map((spec) => [code(spec.path), spec.kind, code(spec.defaultText), cell(spec.help)]),
    )}\n`,
    ...parts,
  ].join('\n');
}

function sectionText(section: string, keys: readonly KeySpec[], isUsed: (key: string) => boolean): string {
  const rows: string[][] = [];
  const idle = idleBlocks(keys, isUsed);
  const blocks = new Set<string>();
  for (const { path: key, kind, defaultText, flag, help } of keys) {
    const block = idle.find((each) => key.startsWith(`${each}.`));
    if (block !== undefined) {
      if (!blocks.has(block)) rows.push([code(`${block}.*`), '', '', '', effectOf(block, false)]);
      blocks.add(block);
      continue;
    }
    const effect = help !== '' && isUsed(key) ? 'ours' : effectOf(key, isUsed(key));
    rows.push([code(key), kind, code(defaultText), code(flag), effect]);
  }
  const title = section === '' ? 'Top level' : section;
  return `## ${title}\n\n${table(['key', 'kind', 'default', 'flag', 'effect'], rows)}\n`;
}

function effectOf(key: string, isUsed: boolean): string {
  if (isUsed) return '';
  const reason = reasonOf(key);
  return reason === '' ? 'no effect' : `no effect: ${cell(reason)}`;
}

/** The outermost blocks without an effective key, whose keys share one reason. */
function idleBlocks(keys: readonly KeySpec[], isUsed: (key: string) => boolean): string[] {
  const blocks = new Map<string, boolean>();
  for (const { path: key } of keys) {
    const isIdle = !isUsed(key);
    for (let end = key.lastIndexOf('.'); end > 0; end = key.lastIndexOf('.', end - 1)) {
      const block = key.slice(0, end);
      const isSame = isIdle && reasonOf(key) === reasonOf(block);
      blocks.set(block, (blocks.get(block) ?? true) && isSame);
    }
  }
  const idle = [...blocks].filter(([, isIdle]) => isIdle).map(([block]) => block);
  return idle.filter((block) => !idle.some((other) => block.startsWith(`${other}.`)));
}

/** Keys without an effect, as a list that `-help` reads: blocks where all keys below have none. */
export function idleKeysText(isUsed: (key: string) => boolean): string {
  const isIdleBelow = new Map<string, boolean>();
  for (const key of schema().byPath.keys()) {
    for (let end = key.length; end > 0; end = key.lastIndexOf('.', end - 1)) {
      const block = key.slice(0, end);
      isIdleBelow.set(block, (isIdleBelow.get(block) ?? true) && !isUsed(key));
    }
  }
  const outermost = [...isIdleBelow].flatMap(([block, isIdle]) => {
    const parent = block.slice(0, Math.max(0, block.lastIndexOf('.')));
    return isIdle && !isIdleBelow.get(parent) ? [block] : [];
  });
  return `${JSON.stringify(outermost.sort(), undefined, 2)}\n`;
}

/** Loads every sample, and records the keys that the program reads. */
export async function usedKeys(): Promise<(key: string) => boolean> {
  const used: ((key: string) => boolean)[] = [];
  for (const file of samples.flatMap(yamlFilesIn)) {
    const text = fs.readFileSync(file, 'utf8');
    const flags = /^# flags: (.*)$/m.exec(text)?.[1].split(' ') ?? [];
    const loaded = await loadConfig({
      argv: [
        `-config.file=${file}`,
        '-config.expand-env=true',
        ...flags.filter((flag) => !flag.includes('expand-env')),
      ],
      env: () => '/tmp',
      readText: () => Promise.resolve(text),
      versionText: '',
    });
    // Some samples of the configuration's own tests are made to be refused.
    if (loaded.kind === 'exit' && file.includes('tools/reference')) {
      throw new Error(`${file}: ${loaded.stderr}`);
    }
    if (loaded.kind === 'run') used.push((key) => loaded.settings.isUsed(key));
  }
  if (used.length < 50) throw new Error(`only ${used.length} sample configurations start`);
  return (key) => used.some((isUsed) => isUsed(key));
}

function yamlFilesIn(directory: string): string[] {
  const absolute = path.join(root, directory);
  return fs
    .readdirSync(absolute)
    .filter((name) => /loki.*\.yaml$|\.ya?ml$/.test(name))
    .sort()
    .map((name) => path.join(absolute, name));
}
