/** Draws line filters, label filters and matchers. */
import type { Prng } from '@loki/virtual';
import { labelNames, quoted } from './gen-names.ts';
import { addresses, formats, levels, paths, words } from './lines.ts';
import type { PlainRow } from './referee-row.ts';
import { bytesOf, durationNsOf, floatOf } from './referee-values.ts';

const values: Readonly<Record<string, readonly string[]>> = {
  app: ['api', 'web', 'db', 'wörker', 'clash', ''],
  env: ['prod', 'dev'],
  format: formats,
  pod: ['p0', 'p1', 'p2', 'p5', ''],
  level: levels,
  status: ['200', '404', '500'],
  trace_id: ['t0', 't1', 'inner', ''],
  user: ['bob', 'eve'],
  __error__: ['', 'JSONParserErr', 'LabelFilterErr'],
};
const valueRegexes = ['.+', '.*', 'p[0-3]', 'api|web', '(?i)error', 'a.*', '[^a]+', 'info|warn|', 't\\d', '.*[0-9]$', '5..', '()'] as const; // prettier-ignore
const lineRegexes = ['error|warn', '(?i)kelvin', '(?i)STRASSE', 'GET.*200', '\\d+\\.\\d+', '^$', '^\\{', 'level=(info|error)', '[a-z]+:', '.', 'x*', '(?i)TIMEOUT', '"$', '\\btimeout\\b', '\\bOK\\b|miss', 'ü', 'o{2}', '(?s)tab.and', 'a.b'] as const; // prettier-ignore
const linePatterns = ['<_>timeout<_>', '<_>level=<_> <_>', '{<_>}', '<_>', '', '<_> - GET <_>', '"<_>"', '<_>"status":200<_>', '<_>ü<_>', '<_>e<_>', '<_> <_>', '<_>"', 'level=<_>', '"level":"<_>"<_>', '<_>}'] as const; // prettier-ignore
const ipPatterns = ['10.0.0.7', '10.0.0.0/16', '192.168.0.0-192.168.9.9', '2001:db8::/32', '::1'] as const;
const needles = [...levels, ...words, ...paths, ...addresses, 'level=', '"status":', 'o', 'e', ' ', '', 'nowhere to be found', '10.0', ':"', '\t', '日本', '\u001b[', '=info', 'status=500 ', 'nnection ref'] as const; // prettier-ignore
const durations = ['1s', '500ms', '1m30s', '0s', '-1s', '2h', '1h2.5s', '1d'] as const;
const sizes = ['10KB', '1KiB', '3MB', '7B', '1.5GB', '10MiB', '1kB'] as const;
const comparisons = ['==', '=', '!=', '>', '>=', '<', '<='] as const;
const matchOps = ['=', '!=', '=~', '!~'] as const;

/** A part of the line more often than not. */
function needleOf(random: Prng, line: string): string {
  if (line === '' || random.chance(0.3)) return random.pick(needles);
  const from = random.int(0, line.length - 1);
  return line.slice(from, from + random.pick([1, 2, 4, 12])).toWellFormed();
}

/** The operator comes first: a filter that excludes lines draws text that the line may not have. */
export function lineFilter(random: Prng, row: PlainRow): string {
  const op = random.pick(['|=', '|=', '|=', '!=', '|~', '|~', '!~', '|>', '|>', '!>'] as const);
  const operand = () => {
    if ((op === '|=' || op === '!=') && random.chance(0.06)) return `ip(${quoted(random.pick(ipPatterns))})`;
    return quoted(operandOf(random, op, row.line), random.chance(0.3));
  };
  const operands = [operand()];
  while (random.chance(0.15) && operands.length < 3) operands.push(operand());
  return `${op} ${operands.join(' or ')}`;
}

function operandOf(random: Prng, op: string, line: string): string {
  switch (op) {
    case '|=':
      return needleOf(random, line);
    case '!=':
      return random.chance(0.8) ? random.pick(needles) : needleOf(random, line);
    case '|~':
    case '!~':
      if (random.chance(0.6)) return random.pick(lineRegexes);
      return regexFrom(random, needleOf(random, line));
    default:
      return random.chance(0.6) ? random.pick(linePatterns) : patternFrom(random, line);
  }
}

function regexFrom(random: Prng, text: string): string {
  const escaped = escapedText(text);
  return random.pick([escaped, `${escaped}.*`, `(?i)${escaped}`, `(${escaped}|never)`, `.+${escaped}`, `^.{0,9}${escaped}`]); // prettier-ignore
}

function escapedText(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** The line with wildcards in it. */
function patternFrom(random: Prng, line: string): string {
  const parts = Array.from({ length: random.int(1, 3) }, () => needleOf(random, line));
  const start = random.chance(0.7) ? '<_>' : '';
  return `${start}${parts.map((part) => (part === '' ? ' ' : part)).join('<_>')}${random.chance(0.8) ? '<_>' : ''}`;
}

export function labelFilter(random: Prng, row: PlainRow, depth: number): string {
  if (depth > 0 && random.chance(0.25)) {
    const op = random.pick([' and ', ' or ', ', ', ' ']);
    const inner = `${labelFilter(random, row, depth - 1)}${op}${labelFilter(random, row, depth - 1)}`;
    return random.chance(0.3) ? `(${inner})` : inner;
  }
  const labels = [...row.labels()].filter(([name]) => name !== '__error__');
  if (labels.length > 0 && random.chance(0.7)) return aimedFilter(random, random.pick(labels));
  const roll = random.int(0, 9);
  const op = random.pick(comparisons);
  if (roll < 2) {
    return `${random.pick(['latency', 'status', 'user_id', 'x', 'y'])} ${op} ${random.pick(['0', '10', '200', '404', '12.5', '-1', '1e2', '.5'])}`;
  }
  if (roll === 2) return `${random.pick(['dur', 'latency', 'x'])} ${op} ${random.pick(durations)}`;
  if (roll === 3) return `${random.pick(['size', 'status', 'x'])} ${op} ${random.pick(sizes)}`;
  if (roll === 4 && random.chance(0.4)) {
    return `ip ${random.pick(['=', '!='])} ip(${quoted(random.pick(ipPatterns))})`;
  }
  if (roll < 7) return `${random.pick(labelNames)}${random.pick(['!="nobody"', '=~".*"', '!=""', '!~"x"'])}`;
  return matcher(random, random.pick(labelNames));
}

/** A filter that a row with this label passes, most likely. */
function aimedFilter(random: Prng, [name, value]: readonly [string, string]): string {
  const number = floatOf(value);
  if (number !== undefined && Math.abs(number) < 1e9 && random.chance(0.5)) {
    const [op, limit] = random.pick([['==', number], ['=', number], ['>=', number], ['<=', number], ['>', number - 1], ['<', number + 0.5], ['!=', number + 1]] as const); // prettier-ignore
    return `${name} ${op} ${limit}`;
  }
  if (durationNsOf(value) !== undefined && random.chance(0.6)) {
    return `${name} ${random.pick([`== ${value}`, `>= ${value}`, `<= ${value}`, '> -1h', '< 100h', '!= 3s'])}`.replace('>= 0', '>= 0s'); // prettier-ignore
  }
  const bytes = bytesOf(value);
  if (bytes !== undefined && random.chance(0.6)) {
    return `${name} ${random.pick(['>=', '=', '<=', '=='])} ${bytes}B`;
  }
  if (name === 'ip' && random.chance(0.7)) return `ip ${random.pick([`= ip(${quoted(value)})`, '!= ip("10.9.9.9")', '= ip("0.0.0.0/0")', '= ip("::/0")'])}`; // prettier-ignore
  const start = escapedText(value.slice(0, random.int(1, 3)).toWellFormed());
  return `${name}${random.pick([`=${quoted(value)}`, `=~${quoted(`${start}.*`)}`, `=~${quoted(`${escapedText(value)}|zzz`)}`, '!="nobody"', `!~${quoted(`${start}$`)}`])}`;
}

export function matcher(random: Prng, name: string): string {
  const op = random.pick(matchOps);
  const isRegex = op === '=~' || op === '!~';
  const value = isRegex ? random.pick(valueRegexes) : random.pick(values[name] ?? ['bob', 'clash', '1', '']);
  return `${name}${op}${quoted(value, isRegex && random.chance(0.4))}`;
}
