/** Loads the configuration from flags, file and environment, at the start of a process. */
import { nsPerSecond } from '@loki/model';
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import type { Config } from './config.ts';
import { expandEnv, ExpandError } from './expand-env.ts';
import { applyFlags, helpText, parseFlags } from './flags.ts';
import type { CommandLine } from './flags.ts';
import type { LimitSyntaxChecks } from './limit-reader.ts';
import { reasonOf, withReasons } from './no-effect.ts';
import { readConfig } from './read-config.ts';
import { renderConfig } from './render.ts';
import { Settings } from './settings.ts';
import { targetsText } from './targets.ts';
import { readConfigYaml } from './yaml-file.ts';

/** The surroundings of the loader. */
interface ConfigDeps {
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: (name: string) => string | undefined;
  /** The text of a file, or undefined when there is none. */
  readonly readText: (path: string) => Promise<string | undefined>;
  /** Printed by `-version`. */
  readonly versionText: string;
  /** Checks of limits that hold selectors or regular expressions. */
  readonly limitSyntaxChecks?: LimitSyntaxChecks;
}

/** The file of a configuration and its treatment, for messages and for reloads. */
export interface ConfigSource {
  /** The file that was read; '' when there was none. */
  readonly file: string;
  /** Whether variables of the environment were put into it. */
  readonly expandsEnv: boolean;
}

/** The outcome of `loadConfig`: a configuration to run with, or texts to print before the process ends. */
export type LoadedConfig =
  | {
      readonly kind: 'run';
      readonly config: Config;
      readonly settings: Settings;
      readonly notices: readonly ConfigNotice[];
      readonly source: ConfigSource;
    }
  /** Nothing to run: print and exit. */
  | { readonly kind: 'exit'; readonly code: number; readonly stdout: string; readonly stderr: string };

/** Looked up when no `-config.file` is given. */
const defaultFiles = ['config.yaml', 'config/config.yaml'];

/**
 * Values for a start without a file, in addition to Loki's defaults: one process that keeps a week of logs
 * below ./data.
 */
const presets: readonly [path: string, value: unknown][] = [
  ['auth_enabled', false],
  ['common.path_prefix', './data'],
  ['common.replication_factor', 1],
  ['common.ring.kvstore.store', 'inmemory'],
  ['limits_config.retention_period', BigInt(7 * 24 * 3600) * nsPerSecond],
  ['compactor.retention_enabled', true],
  ['compactor.delete_request_store', 'filesystem'],
];

/**
 * The program's configuration: defaults, then the file, then flags. A mistake of the operator is not thrown,
 * but returned as an exit with a message.
 */
export async function loadConfig(deps: ConfigDeps): Promise<LoadedConfig> {
  let line: CommandLine;
  try {
    line = parseFlags(deps.argv);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return exit(2, '', `${error.message}\nRun with -help to get a list of available parameters\n`);
  }
  if (line.help) return exit(0, helpText());
  if (line.version) return exit(0, `${deps.versionText}\n`);
  if (line.listTargets) return exit(0, targetsText());
  try {
    return await load(deps, line);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return exit(1, '', `${error.message}\n`);
  }
}

async function load(deps: ConfigDeps, line: CommandLine): Promise<LoadedConfig> {
  const settings = new Settings();
  const notices: ConfigNotice[] = [];
  const source = await findFile(deps, line);
  if (source) {
    const read = readConfigYaml(source.file, expand(source.text, deps, line, source.file));
    for (const [path, value] of read.values) settings.set(path, value, 'file');
    notices.push(...read.notices);
  } else {
    for (const [path, value] of presets) settings.set(path, value, 'preset');
  }
  applyFlags(line, settings);
  const config = readConfig(settings, notices, deps.limitSyntaxChecks);
  notices.push(...unusedNotice(settings));
  const printout = line.printConfig ? renderConfig(settings) : '';
  if (line.verifyConfig) return exit(0, 'config is valid\n', noticesText(notices) + printout);
  if (printout !== '') notices.push({ level: 'info', message: printout });
  if (line.printConfigReverse) {
    notices.push({ level: 'info', message: renderConfig(settings).split('\n').reverse().join('\n') });
  }
  return {
    kind: 'run',
    config,
    settings,
    notices,
    source: { file: source?.file ?? '', expandsEnv: line.expandEnv },
  };
}

async function findFile(
  deps: ConfigDeps,
  line: CommandLine,
): Promise<{ file: string; text: string } | undefined> {
  const candidates = line.configFiles.length > 0 ? line.configFiles : defaultFiles;
  for (const file of candidates) {
    const text = await deps.readText(file);
    if (text !== undefined) return { file, text };
  }
  if (line.configFiles.length === 0) return undefined;
  throw new ConfigError(`${candidates.join(',')} does not exist, set config.file for custom config path`);
}

function expand(text: string, deps: ConfigDeps, line: CommandLine, file: string): string {
  if (!line.expandEnv) return text;
  try {
    return expandEnv(text, deps.env);
  } catch (error) {
    if (!(error instanceof ExpandError)) throw error;
    throw new ConfigError(`failed parsing config: ${file}: ${error.message}`, { cause: error });
  }
}

/** One line for all keys without effect, so that a long file does not flood the log. */
function unusedNotice(settings: Settings): ConfigNotice[] {
  const unused = settings.unused();
  if (unused.length === 0) return [];
  const reasonFor = (path: string): string => {
    const winner = settings.winnerOver(path);
    return winner === undefined ? reasonOf(path) : `${winner} is set`;
  };
  return [{ level: 'info', message: `accepted, no effect: ${withReasons(unused, reasonFor)}` }];
}

/** The notices as lines, as the log of a start has them. */
function noticesText(notices: readonly ConfigNotice[]): string {
  return notices.map(({ level, message }) => `level=${level} msg=${JSON.stringify(message)}\n`).join('');
}

function exit(code: number, stdout: string, stderr = ''): LoadedConfig {
  return { kind: 'exit', code, stdout, stderr };
}
