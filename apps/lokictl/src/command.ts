/** The surroundings of a command: replaced in tests. */
export interface CommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly readFile: (path: string) => Promise<Buffer>;
  /** A variable of the environment. */
  readonly env: (name: string) => string | undefined;
  /** The size of the terminal that `out` writes to; absent: it is no terminal. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Waits, and keeps the program from ending meanwhile. */
  readonly pause: (ms: number) => Promise<void>;
}

/** A flag of a command. Flags with `value` take the next word, or the text after `=`. */
export interface FlagSpec {
  readonly name: string;
  readonly summary: string;
  /** The name of the value in the help, for flags that take one. */
  readonly value?: string;
}

export interface ParsedArgs {
  readonly positional: readonly string[];
  /** The flags of the call: '' for those without a value. */
  readonly flags: ReadonlyMap<string, string>;
}

/** One command of lokictl; `words` are its name: `segment inspect`. */
export interface Command {
  readonly words: readonly string[];
  /** Positional arguments as the help shows them; `PATH...` takes one or more, `[NAME]` is optional. */
  readonly arguments: readonly string[];
  readonly summary: string;
  readonly flags: readonly FlagSpec[];
  /** Returns the exit code: 0 ok, 1 failure. */
  run(args: ParsedArgs, io: CommandIo): Promise<number>;
}

/** A usage error: exit code 2, with the usage of the command. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Reads the words after the command's own by its arguments and flags. `--` ends the flags. */
export function parseArgs(command: Command, words: readonly string[]): ParsedArgs {
  const positional: string[] = [];
  const flags = new Map<string, string>();
  let isOnlyPositional = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (isOnlyPositional || !word.startsWith('-') || word === '-') {
      positional.push(word);
      continue;
    }
    if (word === '--') {
      isOnlyPositional = true;
      continue;
    }
    const [name, inline] = splitFlag(word);
    const spec = command.flags.find((flag) => flag.name === name);
    if (!spec) throw new UsageError(`unknown flag ${word}`);
    if (flags.has(name)) throw new UsageError(`--${name} is given twice`);
    if (spec.value === undefined) {
      if (inline !== undefined) throw new UsageError(`--${name} takes no value`);
      flags.set(name, '');
      continue;
    }
    const value = inline ?? words[++i];
    if (value === undefined) throw new UsageError(`--${name} needs a value: ${spec.value}`);
    flags.set(name, value);
  }
  checkPositional(command, positional);
  return { positional, flags };
}

function splitFlag(word: string): [name: string, value: string | undefined] {
  const text = word.replace(/^--?/, '');
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function checkPositional(command: Command, positional: readonly string[]): void {
  const parameters = command.arguments;
  const isOpen = parameters.at(-1)?.endsWith('...') ?? false;
  const required = parameters.filter((name) => !name.startsWith('['));
  if (positional.length < required.length) {
    throw new UsageError(`${parameters[positional.length]} is missing`);
  }
  if (!isOpen && positional.length > parameters.length) {
    throw new UsageError(`unexpected argument ${positional[parameters.length]}`);
  }
}

export function usageOf(command: Command): string {
  const flags = command.flags.map(({ name, value }) => `[--${name}${value ? ` ${value}` : ''}]`);
  return ['lokictl', ...command.words, ...flags, ...command.arguments].join(' ');
}

/** The usage without the names of the flags. */
export function shortUsageOf({ words, flags, arguments: names }: Command): string {
  return ['lokictl', ...words, ...(flags.length > 0 ? ['[FLAGS]'] : []), ...names].join(' ');
}

export function helpOf(command: Command): string {
  const lines = [`Usage: ${usageOf(command)}`, '', command.summary];
  if (command.flags.length > 0) lines.push('', 'Flags:');
  for (const { name, value, summary } of command.flags) {
    lines.push(`  --${name}${value ? ` ${value}` : ''}\t${summary}`);
  }
  return `${lines.join('\n')}\n`;
}
