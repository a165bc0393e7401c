import type { Prng } from '@loki/testkit';
import { fieldNames, labelNames, quoted, streamNames } from './gen-names.ts';
import { template } from './gen-template.ts';
import { addresses, formats, levels, paths, words } from './lines.ts';
import type { Format } from './lines.ts';

/** A selector aims at one format more often than not: what follows then finds something. */
export interface Aim {
  readonly format: Format | undefined;
}

/** What the tenant's data hold. */
export interface Hints {
  readonly streams: readonly { readonly labels: ReadonlyMap<string, string>; readonly format: Format }[];
  readonly lines: readonly string[];
}

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
const valueRegexes = [
  '.+',
  '.*',
  'p[0-3]',
  'api|web',
  '(?i)error',
  'a.*',
  '[^a]+',
  'info|warn|',
  't\\d',
  '.*[0-9]$',
  '5..',
  '()',
] as const;
const lineRegexes = ['error|warn', '(?i)kelvin', '(?i)STRASSE', 'GET.*200', '\\d+\\.\\d+', '^$', '^\\{', 'level=(info|error)', '[a-z]+:', '.', 'x*', '(?i)TIMEOUT', '"$', '\\btimeout\\b', '\\bOK\\b|miss', 'ü', 'o{2}', '(?s)tab.and', 'a.b'] as const; // prettier-ignore
const linePatterns = ['<_>timeout<_>', '<_>level=<_> <_>', '{<_>}', '<_>', '', '<_> - GET <_>', '"<_>"', '<_>"status":200<_>', '<_>ü<_>'] as const; // prettier-ignore
const ipPatterns = ['10.0.0.7', '10.0.0.0/16', '192.168.0.0-192.168.9.9', '2001:db8::/32', '::1'] as const;
const needles = [...levels, ...words, ...paths, ...addresses, 'level=', '"status":', 'o', 'e', ' ', '', 'nowhere to be found', '10.0', ':"', '\t', '日本', '\u001b[', '=info', 'status=500 ', 'nnection ref'] as const; // prettier-ignore
const regexpStages = ['(?P<x>\\w+)=(?P<y>\\w+)', '(?P<x>\\d+)', '"(?P<y>[^"]*)"$', '(?P<status>[2-5]\\d\\d)', '(?i)(?P<level>error|info)', '(?P<x>a)?(?P<y>.)'] as const; // prettier-ignore
const patternStages = ['<x> - <y> <_>', '<_>level=<level> <_>', '<ip> - <method> <path> <status> <latency> "<msg>"', '{<x>}', '<_>"<x>"<_>', '<_> <x> '] as const; // prettier-ignore
const jsonPaths = ['status', 'user.id', 'user.tags[1]', 'user["name"]', 'list[1].a', 'nothing', 'user', '["bad-name.x"]', 'latency'] as const; // prettier-ignore
const durations = ['1s', '500ms', '1m30s', '0s', '-1s', '2h'] as const;
const sizes = ['10KB', '1KiB', '3MB', '0B', '1.5GB'] as const;
const comparisons = ['==', '=', '!=', '>', '>=', '<', '<='] as const;
const matchOps = ['=', '!=', '=~', '!~'] as const;

export class LogQueries {
  readonly #random: Prng;
  readonly #hints: Hints;

  constructor(random: Prng, hints: Hints) {
    this.#random = random;
    this.#hints = hints;
  }

  /** A log query. */
  query(): string {
    const aim = this.aim();
    return this.selector(aim) + this.pipeline(aim, this.#random.int(0, 4));
  }

  aim(): Aim {
    return { format: this.#random.chance(0.7) ? this.#random.pick(this.#hints.streams).format : undefined };
  }

  selector({ format }: Aim): string {
    const random = this.#random;
    const matchers: string[] = [];
    if (format && random.chance(0.9)) matchers.push(`format="${format}"`);
    else
      matchers.push(
        random.pick([
          'app=~".+"',
          'env=~"prod|dev"',
          'env="prod"',
          'app=~"api|web|db"',
          'format!=""',
          'app="api"',
        ]),
      );
    for (let i = random.pick([0, 0, 0, 0, 1]); i > 0; i--) {
      const { labels } = random.pick(this.#hints.streams);
      const [name, value] = random.pick([...labels]);
      matchers.push(
        random.chance(0.6) ? `${name}=${quoted(value)}` : this.#matcher(random.pick(streamNames)),
      );
    }
    return `{${matchers.join(', ')}}`;
  }

  pipeline(aim: Aim, stages: number): string {
    let text = '';
    for (let i = 0; i < stages; i++) text += this.stage(aim, i);
    return text;
  }

  stage(aim: Aim, position = 1): string {
    const random = this.#random;
    const roll = random.int(0, 99);
    if (position === 0 ? roll < 45 : roll < 20) return ` ${this.lineFilter()}`;
    if (position === 0 ? roll < 80 : roll < 40) return ` | ${this.parser(aim)}`;
    if (roll < 78) return ` | ${this.labelFilter(2)}`;
    if (roll < 84) return ` | line_format ${quoted(template(random), random.chance(0.5))}`;
    if (roll < 90) return ` | label_format ${this.#labelFormats()}`;
    if (roll < 94) return ` | drop ${this.#targets()}`;
    if (roll < 98) return ` | keep ${this.#targets()}`;
    return ' | decolorize';
  }

  parser({ format }: Aim): string {
    const random = this.#random;
    const fitting = {
      json: 'json',
      logfmt: 'logfmt',
      plain: 'pattern',
      packed: 'unpack',
      odd: 'regexp',
    } as const;
    const name =
      format && random.chance(0.75)
        ? fitting[format]
        : random.pick(['json', 'logfmt', 'regexp', 'pattern', 'unpack'] as const);
    switch (name) {
      case 'json':
        return random.chance(0.6) ? 'json' : `json ${this.#extractions(jsonPaths)}`;
      case 'logfmt': {
        const flags = `${random.chance(0.15) ? ' --strict' : ''}${random.chance(0.15) ? ' --keep-empty' : ''}`;
        return `logfmt${flags}${random.chance(0.3) ? ` ${this.#extractions(['level', 'status', 'user.id', 'msg', 'nothing'])}` : ''}`;
      }
      case 'regexp':
        return `regexp ${quoted(random.pick(regexpStages), random.chance(0.5))}`;
      case 'pattern':
        return `pattern ${quoted(random.pick(patternStages), random.chance(0.5))}`;
      case 'unpack':
        return 'unpack';
    }
  }

  lineFilter(): string {
    const random = this.#random;
    const op = random.pick(['|=', '|=', '|=', '!=', '|~', '|~', '!~', '|>', '!>'] as const);
    const operand = () => {
      if ((op === '|=' || op === '!=') && random.chance(0.06))
        return `ip(${quoted(random.pick(ipPatterns))})`;
      const text =
        op === '|=' || op === '!='
          ? this.#needle()
          : random.pick(op === '|~' || op === '!~' ? lineRegexes : linePatterns);
      return quoted(text, random.chance(0.3));
    };
    const operands = [operand()];
    while (random.chance(0.15) && operands.length < 3) operands.push(operand());
    return `${op} ${operands.join(' or ')}`;
  }

  /** A part of some line more often than not. */
  #needle(): string {
    const random = this.#random;
    const line = random.pick(this.#hints.lines);
    if (line === '' || random.chance(0.4)) return random.pick(needles);
    const from = random.int(0, line.length - 1);
    return line.slice(from, from + random.pick([1, 2, 4, 12])).toWellFormed();
  }

  labelFilter(depth: number): string {
    const random = this.#random;
    if (depth > 0 && random.chance(0.2)) {
      const op = random.pick([' and ', ' or ', ', ', ' ']);
      const inner = `${this.labelFilter(depth - 1)}${op}${this.labelFilter(depth - 1)}`;
      return random.chance(0.3) ? `(${inner})` : inner;
    }
    const roll = random.int(0, 9);
    const op = random.pick(comparisons);
    if (roll < 2)
      return `${random.pick(['latency', 'status', 'user_id', 'x', 'y'])} ${op} ${random.pick(['0', '10', '200', '404', '12.5', '-1', '1e2'])}`;
    if (roll === 2) return `${random.pick(['dur', 'latency', 'x'])} ${op} ${random.pick(durations)}`;
    if (roll === 3) return `${random.pick(['size', 'status', 'x'])} ${op} ${random.pick(sizes)}`;
    if (roll === 4 && random.chance(0.4))
      return `ip ${random.pick(['=', '!='])} ip(${quoted(random.pick(ipPatterns))})`;
    if (roll < 7)
      return `${random.pick(labelNames)}${random.pick(['!="nobody"', '=~".*"', '!=""', '!~"x"'])}`;
    return this.#matcher(random.pick(labelNames));
  }

  #matcher(name: string): string {
    const random = this.#random;
    const op = random.pick(matchOps);
    const isRegex = op === '=~' || op === '!~';
    const value = isRegex
      ? random.pick(valueRegexes)
      : random.pick(values[name] ?? ['bob', 'clash', '1', '']);
    return `${name}${op}${quoted(value, isRegex && random.chance(0.4))}`;
  }

  #extractions(paths: readonly string[]): string {
    const random = this.#random;
    return Array.from({ length: random.int(1, 3) }, (_, i) => {
      const label = ['x', 'y', random.pick(fieldNames)][i];
      return random.chance(0.2) ? 'status' : `${label}=${quoted(random.pick(paths))}`;
    }).join(', ');
  }

  #labelFormats(): string {
    const random = this.#random;
    const count = random.pick([1, 1, 2]);
    return ['x', 'y']
      .slice(0, count)
      .map((name) => {
        const target = random.chance(0.4)
          ? random.pick(fieldNames.slice(0, 8)) + (name === 'y' ? '_2' : '')
          : name;
        return random.chance(0.4)
          ? `${target}=${random.pick(labelNames.slice(0, -1))}`
          : `${target}=${quoted(template(random))}`;
      })
      .join(', ');
  }

  #targets(): string {
    const random = this.#random;
    return Array.from({ length: random.int(1, 3) }, () => {
      const name = random.pick(labelNames);
      return random.chance(0.7) ? name : this.#matcher(name);
    }).join(', ');
  }
}
