/** Draws log queries. */
import type { Prng } from '@loki/virtual';
import { labelFilter, lineFilter, matcher } from './gen-filters.ts';
import { fieldNames, labelNames, quoted, streamNames } from './gen-names.ts';
import { template } from './gen-template.ts';
import { PlainRow } from './referee-row.ts';
import type { Witness } from './witness.ts';

const regexpStages = ['(?P<x>\\w+)=(?P<y>\\w+)', '(?P<x>\\d+)', '"(?P<y>[^"]*)"$', '(?P<status>[2-5]\\d\\d)', '(?i)(?P<level>error|info)', '(?P<x>a)?(?P<y>.)', '(?P<latency>-?\\d+(\\.\\d+)?)', 'status\\D+(?P<status>\\d+)', '^(?P<ip>[0-9a-f.:]+) - (?P<method>[A-Z]+)'] as const; // prettier-ignore
const patternStages = ['<x> - <y> <_>', '<_>level=<level> <_>', '<ip> - <method> <path> <status> <latency> "<msg>"', '{<x>}', '<_>"<x>"<_>', '<_> <x> ', '<ip> - <_> <_> <status> <_>', '<_>:<x>,<_>', '<_>latency=<latency> <_>'] as const; // prettier-ignore
const jsonPaths = ['status', 'level', 'user.id', 'user.tags[1]', 'user["name"]', 'list[1].a', 'nothing', 'user', '["bad-name.x"]', 'latency', 'msg', 'dur', 'size', 'list[0]', '_entry'] as const; // prettier-ignore
const logfmtKeys = [
  'level',
  'status',
  'user.id',
  'msg',
  'nothing',
  'latency',
  'dur',
  'size',
  'bare',
  'ip',
] as const;
const fitting = {
  json: 'json',
  logfmt: 'logfmt',
  plain: 'pattern',
  packed: 'unpack',
  odd: 'regexp',
} as const;
/** Percentage of drawn queries that stay although they exclude the row. */
const missOdds = 0.08;
const attemptsMax = 6;

/** Log queries for a row. */
export class LogQueries {
  readonly #random: Prng;
  readonly #witness: Witness;

  constructor(random: Prng, witness: Witness) {
    this.#random = random;
    this.#witness = witness;
  }

  /** A log query. */
  query(): string {
    return this.withStages(this.selector(), this.#random.pick([0, 1, 1, 2, 2, 3, 4]));
  }

  selector(): string {
    return this.#drawPassing('', () => {
      const random = this.#random;
      const labels = [...this.#witness.stored.stream];
      const format = this.#witness.stored.stream.get('format')!;
      const matchers = [
        random.chance(0.6)
          ? `format="${format}"`
          : random.pick(['app=~".+"', 'env=~"prod|dev"', 'env="prod"', 'app=~"api|web|db"', 'format!=""', `env="${this.#witness.stored.stream.get('env')}"`, `format=~"${format}|odd"`]), // prettier-ignore
      ];
      for (let i = random.pick([0, 0, 0, 1, 2]); i > 0; i--) {
        const [name, value] = random.pick(labels);
        matchers.push(
          random.chance(0.6) ? `${name}=${quoted(value)}` : matcher(random, random.pick(streamNames)),
        );
      }
      return `{${matchers.join(', ')}}`;
    });
  }

  /** The query with this many more stages. */
  withStages(query: string, stages: number): string {
    let text = query;
    for (let i = 0; i < stages; i++) text += this.stage(text, i);
    return text;
  }

  stage(query: string, position = 1): string {
    const random = this.#random;
    return this.#drawPassing(query, (row) => {
      const names = [...row.labels().keys()];
      const roll = random.int(0, 99);
      if (position === 0 ? roll < 40 : roll < 18) return ` ${lineFilter(random, row)}`;
      if (position === 0 ? roll < 80 : roll < 40) return ` | ${this.#parser(row)}`;
      if (roll < 76) return ` | ${labelFilter(random, row, 2)}`;
      if (roll < 83) return ` | line_format ${quoted(template(random, names), random.chance(0.5))}`;
      if (roll < 90) return ` | label_format ${this.#labelFormats(names)}`;
      if (roll < 93) return ` | drop ${this.#targets(names)}`;
      if (roll < 96) return ` | keep ${this.#targets(names)}`;
      return ' | decolorize';
    });
  }

  parser(query: string): string {
    return this.#drawPassing(query, (row) => ` | ${this.#parser(row)}`);
  }

  lineFilter(query: string): string {
    return this.#drawPassing(query, (row) => ` ${lineFilter(this.#random, row)}`);
  }

  labelFilter(query: string): string {
    return this.#drawPassing(query, (row) => ` | ${labelFilter(this.#random, row, 1)}`);
  }

  /** The row after a query; a row that does not pass is returned as stored. */
  rowAfter(query: string): PlainRow {
    const { stream, row } = this.#witness.stored;
    return (query === '' ? undefined : this.#witness.after(query)) ?? new PlainRow(stream, row);
  }

  /** Draws until the row passes, or a miss is accepted. */
  #drawPassing(query: string, draw: (row: PlainRow) => string): string {
    const row = this.rowAfter(query);
    let text = draw(row);
    if (this.#random.chance(missOdds)) return text;
    for (let i = 1; i < attemptsMax && !this.#witness.after(query + text); i++) text = draw(row);
    return text;
  }

  #parser(row: PlainRow): string {
    const random = this.#random;
    const format = row.stream.get('format') as keyof typeof fitting | undefined;
    const name =
      format && fitting[format] && random.chance(0.75)
        ? fitting[format]
        : random.pick(['json', 'logfmt', 'regexp', 'pattern', 'unpack'] as const);
    switch (name) {
      case 'json':
        return random.chance(0.6) ? 'json' : `json ${this.#extractions(jsonPaths)}`;
      case 'logfmt': {
        const flags = `${random.chance(0.15) ? ' --strict' : ''}${random.chance(0.15) ? ' --keep-empty' : ''}`;
        return `logfmt${flags}${random.chance(0.3) ? ` ${this.#extractions(logfmtKeys)}` : ''}`;
      }
      case 'regexp':
        return `regexp ${quoted(random.pick(regexpStages), random.chance(0.5))}`;
      case 'pattern':
        return `pattern ${quoted(random.pick(patternStages), random.chance(0.5))}`;
      case 'unpack':
        return 'unpack';
    }
  }

  #extractions(from: readonly string[]): string {
    const random = this.#random;
    return Array.from({ length: random.int(1, 3) }, (_, i) => {
      const path = random.pick(from);
      if (/^\w+$/.test(path) && random.chance(0.3)) return path;
      return `${['x', random.chance(0.2) ? 'x' : 'y', random.pick(fieldNames)][i]}=${quoted(path)}`;
    }).join(', ');
  }

  #labelFormats(names: readonly string[]): string {
    const random = this.#random;
    const source = () => (names.length > 0 && random.chance(0.7) ? random.pick(names) : random.pick(labelNames.slice(0, -1))); // prettier-ignore
    const count = random.pick([1, 1, 2]);
    return ['x', 'y']
      .slice(0, count)
      .map((name) => {
        const target = random.chance(0.4)
          ? random.pick(fieldNames.slice(0, 8)) + (name === 'y' ? '_2' : '')
          : name;
        const from = source();
        return random.chance(0.4) && !from.startsWith('__')
          ? `${target}=${from}`
          : `${target}=${quoted(template(random, names))}`;
      })
      .join(', ');
  }

  #targets(names: readonly string[]): string {
    const random = this.#random;
    return Array.from({ length: random.int(1, 3) }, () => {
      const name = names.length > 0 && random.chance(0.6) ? random.pick(names) : random.pick(labelNames);
      return random.chance(0.7) ? name : matcher(random, name);
    }).join(', ');
  }
}
