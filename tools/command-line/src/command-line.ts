/** Options of developers' programs. A program's help is the comment that opens its file. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

/** Exit code of a wrong command line; 1 says that the program ran and failed. */
const usageError = 2;

/**
 * Reads the command line as `util.parseArgs` does. `--help` prints the opening comment of the program and
 * ends it with 0; an unknown option, and a text where the default is a number, end it with one sentence and
 * 2.
 *
 * @param file the program, `import.meta.filename`
 */
export function readOptions<T extends ParseArgsConfig>(
  file: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  answerHelp(openingComment(file));
  let parsed: ReturnType<typeof parseArgs<T>>;
  try {
    parsed = parseArgs<T>(config);
  } catch (error) {
    // The first sentence names the option; the rest explains positional arguments.
    return endWithUsageError((error as Error).message.split(/\. |\n/)[0]);
  }
  for (const [name, { default: usual }] of Object.entries(config.options ?? {})) {
    const value = (parsed.values as Record<string, unknown>)[name];
    if (typeof usual !== 'string' || !/^\d+(?:\.\d+)?$/.test(usual)) continue;
    if (typeof value === 'string') numberOf(name, value);
  }
  return parsed;
}

/** The number of an option; a text that is no number ends the program with one sentence and 2. */
export function numberOf(name: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  return endWithUsageError(`--${name} takes a number, not ${JSON.stringify(text)}`);
}

/** Prints `text` and ends the process with 0 where the command line has `--help` or `-h`. */
export function answerHelp(text: string): void {
  const words = process.argv.slice(2);
  const end = words.indexOf('--');
  if (!words.slice(0, end < 0 ? undefined : end).some((word) => word === '--help' || word === '-h')) return;
  console.log(text.trimEnd());
  process.exit(0);
}

/** Ends the process with one sentence and the exit code of a usage error. */
export function endWithUsageError(sentence: string): never {
  console.error(`${sentence}; --help lists the options`);
  process.exit(usageError);
}

/** The comment that opens a file, without its stars. */
export function openingComment(file: string): string {
  const comment = /^(?:#!.*\n)?\/\*\*([^]*?)\*\//.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
  return comment.replace(/^ *\* ?/gm, '').trim();
}
