/** The command line, in Go's flag syntax. */
import idleKeys from './idle-keys.json' with { type: 'json' };
import { ConfigError } from './config-error.ts';
import { ScalarError, parseScalar } from './scalars.ts';
import { schema } from './schema.ts';
import type { KeySpec } from './schema.ts';
import { reasonOf } from './no-effect.ts';
import type { Settings } from './settings.ts';

/** The parsed command line: values of configuration keys, and switches of the program. */
export interface CommandLine {
  configFiles: readonly string[];
  expandEnv: boolean;
  verifyConfig: boolean;
  version: boolean;
  help: boolean;
  listTargets: boolean;
  printConfig: boolean;
  printConfigReverse: boolean;
  /** Flag name to its raw text, for keys of the configuration, in order. */
  readonly values: [flag: string, text: string][];
}

/** Flags that are switches of the program, not keys of the file. */
const switches = new Map<string, (line: CommandLine, text: string) => void>([
  ['config.file', (line, text) => (line.configFiles = text.split(',').filter((part) => part !== ''))],
  ['config.expand-env', (line, text) => (line.expandEnv = bool('config.expand-env', text))],
  ['verify-config', (line, text) => (line.verifyConfig = bool('verify-config', text))],
  ['version', (line, text) => (line.version = bool('version', text))],
  ['help', (line, text) => (line.help = bool('help', text))],
  ['h', (line, text) => (line.help = bool('h', text))],
  ['list-targets', (line, text) => (line.listTargets = bool('list-targets', text))],
  ['print-config-stderr', (line, text) => (line.printConfig = bool('print-config-stderr', text))],
  [
    'log-config-reverse-order',
    (line, text) => (line.printConfigReverse = bool('log-config-reverse-order', text)),
  ],
  // Charts set it for the targets read and backend; it changes nothing here.
  ['legacy-read-mode', (_line, text) => void bool('legacy-read-mode', text)],
]);

/** Other spellings of flags, kept because manifests use them. */
const flagAliases: ReadonlyMap<string, string> = new Map([
  ['ring.instance-zone', 'common.storage.ring.instance-availability-zone'],
  ['server.log-level', 'log.level'],
  ['server.log-format', 'log.format'],
  ['limits.per-user-override-config', 'runtime-config.file'],
  ['limits.per-user-override-period', 'runtime-config.reload-period'],
  ['mem-ballast-size-bytes', 'config.ballast-bytes'],
]);

/**
 * Parses Go-style flags: `-name=value`, `-name value`, `--name`, booleans without value.
 *
 * @throws ConfigError in Go's words for an unknown flag or a flag without its value
 */
export function parseFlags(argv: readonly string[]): CommandLine {
  const line: CommandLine = {
    configFiles: [],
    expandEnv: false,
    verifyConfig: false,
    version: false,
    help: false,
    listTargets: false,
    printConfig: false,
    printConfigReverse: false,
    values: [],
  };
  for (let i = 0; i < argv.length; i++) {
    const match = /^--?([^-=][^=]*)(?:=([^]*))?$/.exec(argv[i]);
    if (!match) throw new ConfigError(`unexpected argument: ${argv[i]}`);
    const name = match[1];
    let text: string | undefined = match[2];
    const spec = schema().byFlag.get(flagAliases.get(name) ?? name);
    const isSwitch = switches.has(name);
    if (!spec && !isSwitch) throw new ConfigError(`flag provided but not defined: -${name}`);
    const isBool = isSwitch ? name !== 'config.file' : spec!.kind === 'bool';
    if (text === undefined && isBool) text = 'true';
    if (text === undefined) {
      if (++i >= argv.length) throw new ConfigError(`flag needs an argument: -${name}`);
      text = argv[i];
    }
    if (isSwitch) switches.get(name)!(line, text);
    else line.values.push([spec!.flag, text]);
  }
  return line;
}

/** Sets the flags' values, which win over the file's. A repeated list flag adds to the list. */
export function applyFlags(line: CommandLine, settings: Settings): void {
  const repeated = new Set<string>();
  for (const [flag, text] of line.values) {
    const spec = schema().byFlag.get(flag)!;
    try {
      const value = parseScalar(spec.kind, text);
      const values =
        spec.kind === 'list' && repeated.has(flag) ? (settings.peek(spec.path) as readonly string[]) : [];
      settings.set(
        spec.path,
        spec.kind === 'list' ? [...values, ...(value as readonly string[])] : value,
        'flag',
      );
      repeated.add(flag);
    } catch (error) {
      if (!(error instanceof ScalarError)) throw error;
      throw new ConfigError(`invalid value ${JSON.stringify(text)} for flag -${flag}: ${error.message}`, {
        cause: error,
      });
    }
  }
}

function bool(flag: string, text: string): boolean {
  try {
    return parseScalar('bool', text) as boolean;
  } catch (error) {
    throw new ConfigError(`invalid boolean value ${JSON.stringify(text)} for -${flag}: parse error`, {
      cause: error,
    });
  }
}

/**
 * Keys and blocks without an effect: made by `npm run docs:reference`, which knows the keys that are read.
 */
const idle: ReadonlySet<string> = new Set(idleKeys);

function meaningOf({ path, help }: KeySpec): string {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    if (!idle.has(path.slice(0, end))) continue;
    const reason = reasonOf(path);
    return `${path}: no effect${reason === '' ? '' : `: ${reason}`}`;
  }
  return help === '' ? path : `${path}: ${help}`;
}

/** The text of `-help`: each flag with its kind and default. */
export function helpText(): string {
  const lines = ['Usage of loki:'];
  const all = [...schema().byFlag.values()].map((spec) => [
    spec.flag,
    spec.kind,
    spec.defaultText,
    meaningOf(spec),
  ]);
  all.push(['config.file', 'list', '', 'configuration files; the first that exists is read']);
  all.push([
    'config.expand-env',
    'bool',
    'false',
    'replace ${NAME} in the configuration file by environment variables',
  ]);
  all.push(['verify-config', 'bool', 'false', 'check the configuration and exit']);
  all.push(['version', 'bool', 'false', 'print the version and exit']);
  all.push(['list-targets', 'bool', 'false', 'print the targets and exit']);
  all.push(['print-config-stderr', 'bool', 'false', 'print the whole configuration to stderr']);
  all.push([
    'log-config-reverse-order',
    'bool',
    'false',
    'print the whole configuration to the log, last line first',
  ]);
  all.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  for (const [flag, kind, defaultText, path] of all) {
    lines.push(`  -${flag} ${kind}`, `    \t${path}${defaultText === '' ? '' : ` (default ${defaultText})`}`);
  }
  return `${lines.join('\n')}\n`;
}
