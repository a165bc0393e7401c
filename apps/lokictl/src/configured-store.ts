/** Opens the configured object store, for commands that read it without a running process. */
import { loadConfig } from '@loki/config';
import type { Config, LimitSyntaxChecks } from '@loki/config';
import { hasCode } from '@loki/model';
import { FilesystemObjectStore } from '@loki/object-store';
import type { ObjectStore } from '@loki/ports';
import { NodeDisk } from '@loki/runtime';
import { UsageError } from './command.ts';
import type { CommandIo, FlagSpec } from './command.ts';

type Flags = ReadonlyMap<string, string>;

/** Flags of every command that opens the store. */
export const configFlags: readonly FlagSpec[] = [
  {
    name: 'config',
    value: 'FILE',
    summary:
      'configuration file that names the store, instead of DIR; default: the settings of a start without a file',
  },
  { name: 'expand-env', summary: 'replace ${NAME} in the configuration by variables of the environment' },
];

export async function readConfig(
  flags: Flags,
  io: CommandIo,
  limitChecks: LimitSyntaxChecks,
): Promise<Config> {
  const file = flags.get('config');
  const argv = [
    ...(file === undefined ? [] : [`-config.file=${file}`]),
    ...(flags.has('expand-env') ? ['-config.expand-env=true'] : []),
  ];
  const loaded = await loadConfig({
    argv,
    env: io.env,
    readText: textReader(io),
    versionText: '',
    limitSyntaxChecks: limitChecks,
  });
  if (loaded.kind === 'exit') throw new UsageError(loaded.stderr.trim());
  return loaded.config;
}

interface OpenedStore {
  readonly store: ObjectStore;
  /** Its directory or bucket, for people. */
  readonly place: string;
}

/**
 * The object store in `directory`, or the configured one.
 *
 * @throws MissingStoreError when the store does not exist: a mistyped path must neither count as a sound
 *   store nor create a new one
 */
export async function openStore(
  directory: string | undefined,
  flags: Flags,
  io: CommandIo,
): Promise<OpenedStore> {
  if (directory !== undefined) {
    const store = new FilesystemObjectStore({ disk: new NodeDisk(directory) });
    return existing({ store, place: directory });
  }
  // Loaded only here: it imports all roles and adapters, which would delay every other command.
  const { limitSyntaxChecks } = await import('@loki/process');
  return openConfiguredStore(await readConfig(flags, io, limitSyntaxChecks));
}

/**
 * The store of a configuration.
 *
 * @throws MissingStoreError when the store does not exist
 */
export async function openConfiguredStore(config: Config): Promise<OpenedStore> {
  const { openObjectStore } = await import('@loki/process');
  return existing({ store: openObjectStore(config.storage), place: placeOf(config) });
}

/** There is no store where one should be opened. */
class MissingStoreError extends Error {
  readonly code = 'missingStore';
}

/** Every store has a catalog from its first process with an embedded log, or its first flush, on. */
async function existing(opened: OpenedStore): Promise<OpenedStore> {
  for await (const _ of opened.store.list('catalog/')) return opened;
  throw new MissingStoreError(
    `there is no store in ${opened.place}: nothing is stored below catalog/. Name the directory that has it (chunks, below the data directory), or --config FILE`,
  );
}

function placeOf({ storage }: Config): string {
  const prefix = storage.prefix === '' ? '' : `, prefix ${storage.prefix}`;
  switch (storage.kind) {
    case 'filesystem':
      return `${storage.directory}${prefix}`;
    case 's3':
      return `the bucket ${storage.bucket}${prefix}`;
  }
}

/** Reads a file's text; undefined: there is no such file. */
export function textReader(io: CommandIo): (path: string) => Promise<string | undefined> {
  return async (path) => {
    try {
      return (await io.readFile(path)).toString('utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  };
}
