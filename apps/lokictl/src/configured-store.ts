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

/** The object store in `directory`, or the configured one. */
export async function openStore(
  directory: string | undefined,
  flags: Flags,
  io: CommandIo,
): Promise<ObjectStore> {
  if (directory !== undefined) return new FilesystemObjectStore({ disk: new NodeDisk(directory) });
  // Loaded only here: it imports all roles and adapters, which would delay every other command.
  const { limitSyntaxChecks, openObjectStore } = await import('@loki/process');
  return openObjectStore((await readConfig(flags, io, limitSyntaxChecks)).storage);
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
