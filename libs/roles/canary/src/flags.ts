/** Command-line flags in Go's form, for the canary's options. */
import { parseGoDuration } from '@loki/go';

/** A flag's kind determines how its text is parsed; a duration is in Go's form and becomes milliseconds. */
type FlagSpec =
  | { readonly kind: 'text'; readonly value: string; readonly help: string }
  | { readonly kind: 'number' | 'duration'; readonly value: number; readonly help: string }
  | { readonly kind: 'bool'; readonly value: boolean; readonly help: string };

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

/** Values by flag name, each of its spec's type. */
export type FlagValues<T extends FlagSpecs> = { readonly [K in keyof T]: T[K]['value'] };

/** A malformed command line. The message is Go's and is shown to the user unchanged. */
export class FlagError extends Error {}

/**
 * Go's flags: `-name=value`, `-name value`, `--name`, booleans without a value.
 *
 * @throws FlagError in Go's words
 */
export function parseFlags<T extends FlagSpecs>(specs: T, argv: readonly string[]): FlagValues<T> {
  const values: Record<string, string | number | boolean> = {};
  for (const [name, { value }] of Object.entries(specs)) values[name] = value;
  for (let i = 0; i < argv.length; i++) {
    const match = /^--?([^-=][^=]*)(?:=([^]*))?$/.exec(argv[i]);
    if (!match) throw new FlagError(`unexpected argument: ${argv[i]}`);
    const name = match[1] === 'h' ? 'help' : match[1];
    const inline: string | undefined = match[2];
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (!spec) throw new FlagError(`flag provided but not defined: -${name}`);
    if (inline === undefined && spec.kind !== 'bool' && i + 1 >= argv.length) {
      throw new FlagError(`flag needs an argument: -${name}`);
    }
    const text = inline ?? (spec.kind === 'bool' ? 'true' : argv[++i]);
    values[name] = valueOf(name, spec.kind, text);
  }
  return values as FlagValues<T>;
}

function valueOf(name: string, kind: FlagSpec['kind'], text: string): string | number | boolean {
  const invalid = (): FlagError =>
    new FlagError(`invalid value ${JSON.stringify(text)} for flag -${name}: parse error`);
  if (kind === 'text') return text;
  if (kind === 'bool') {
    if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
    if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
    throw invalid();
  }
  if (kind === 'number') {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) throw invalid();
    return value;
  }
  const duration = parseGoDuration(text);
  if (duration === undefined) throw invalid();
  return Number(duration) / 1e6;
}

/** The output of `-help`: each flag with its default and its meaning. */
export function flagsText(command: string, specs: FlagSpecs): string {
  const lines = Object.entries(specs).map(([name, { kind, value, help }]) => {
    const text = kind === 'duration' ? `${value / 1000}s` : String(value);
    const preset = value === '' || value === false ? '' : ` (default ${text})`;
    return `  -${name}${kind === 'bool' ? '' : ` ${kind}`}\n    \t${help}${preset}\n`;
  });
  return `Usage of ${command}:\n${lines.join('')}`;
}
