import type { Prng } from '@loki/testkit';
import { groupNames, labelNames, quoted } from './gen-names.ts';
import { LogQueries } from './gen-log.ts';
import type { Hints } from './gen-log.ts';

const plainOps = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate'] as const;
const unwrapOps = ['sum_over_time', 'avg_over_time', 'min_over_time', 'max_over_time', 'first_over_time', 'last_over_time', 'stddev_over_time', 'stdvar_over_time', 'quantile_over_time', 'rate', 'rate_counter'] as const; // prettier-ignore
const groupable: ReadonlySet<string> = new Set(['avg_over_time', 'min_over_time', 'max_over_time', 'first_over_time', 'last_over_time', 'stddev_over_time', 'stdvar_over_time', 'quantile_over_time']); // prettier-ignore
const vectorOps = ['sum', 'sum', 'sum', 'avg', 'min', 'max', 'count', 'stddev', 'stdvar'] as const;
const arithmetic = ['+', '-', '*', '/', '%', '^'] as const;
const comparing = ['==', '!=', '>', '>=', '<', '<='] as const;

export interface MetricOptions {
  /** Seconds between the first and last row: ranges are drawn to fit. */
  readonly spanSeconds: number;
  readonly isInstant: boolean;
  /**
   * Sums of these data depend on the order of adding in the last bits. Then nothing is drawn that makes a large
   * difference of a small one: comparisons, orders, powers, remainders.
   */
  readonly isExact: boolean;
  readonly hints: Hints;
}

export class MetricQueries {
  readonly #random: Prng;
  readonly #logs: LogQueries;
  readonly #options: MetricOptions;

  constructor(random: Prng, options: MetricOptions) {
    this.#random = random;
    this.#logs = new LogQueries(random, options.hints);
    this.#options = options;
  }

  query(depth = 3): string {
    const random = this.#random;
    const roll = random.int(0, 99);
    if (depth === 0 || roll < 30) return this.#range();
    if (roll < 70) return this.#vector(depth);
    if (roll < 88) return this.#binary(depth);
    if (roll < 94) return this.#labelReplace(depth);
    if (roll < 97) return `(${this.query(depth - 1)})`;
    return random.chance(0.5) ? `${this.query(depth - 1)} or vector(${random.pick(['0', '1.5'])})` : random.pick(['vector(1)', '1 + 2', '3 > bool 2']); // prettier-ignore
  }

  #range(): string {
    const random = this.#random;
    const aim = this.#logs.aim();
    const usesUnwrap = random.chance(0.45);
    const head = this.#logs.selector(aim);
    const length = `[${this.#duration()}]${random.chance(0.07) ? ` offset ${random.chance(0.3) ? '-' : ''}${this.#duration()}` : ''}`;
    if (!usesUnwrap) {
      const op = random.chance(0.06) ? 'absent_over_time' : random.pick(plainOps);
      const pipeline = this.#logs.pipeline(aim, random.int(0, 3)) + this.#guard();
      return random.chance(0.1) ? `${op}(${head}${length}${pipeline})` : `${op}(${head}${pipeline}${length})`;
    }
    const op = random.pick(unwrapOps);
    const filters = random.chance(0.3) ? ` ${this.#logs.lineFilter()}` : '';
    const more = random.chance(0.3) ? this.#logs.stage(aim) : '';
    const unwrap = this.#unwrap();
    const grouping = groupable.has(op) && random.chance(0.5) ? ` ${this.#grouping()}` : '';
    const parameter =
      op === 'quantile_over_time' ? `${random.pick(['0', '0.5', '0.99', '1', '0.25', '1.5'])}, ` : '';
    return `${op}(${parameter}${head}${filters} | ${this.#logs.parser(aim)}${more}${unwrap}${length})${grouping}`;
  }

  #unwrap(): string {
    const random = this.#random;
    const name = random.pick([
      'latency',
      'latency',
      'latency',
      'status',
      'status',
      'x',
      'dur',
      'size',
      'user_id',
    ]);
    const conversion = name === 'dur' ? random.pick(['duration(dur)', 'duration_seconds(dur)', 'dur']) : name === 'size' ? 'bytes(size)' : name; // prettier-ignore
    return ` | unwrap ${conversion}${this.#guard(0.9)}`;
  }

  /** Lines with an error fail a metric query: most queries leave them out. */
  #guard(odds = 0.5): string {
    return this.#random.chance(odds) ? ' | __error__=""' : '';
  }

  #vector(depth: number): string {
    const random = this.#random;
    if (this.#options.isExact && random.chance(0.2)) {
      const op = random.pick(['topk', 'bottomk']);
      const grouping = random.chance(0.3) ? `${this.#grouping()} ` : '';
      return `${op} ${grouping}(${random.int(1, 4)}, ${this.query(depth - 1)})`;
    }
    if (this.#options.isExact && this.#options.isInstant && random.chance(0.1)) {
      return random.chance(0.3)
        ? `approx_topk(${random.int(1, 3)}, ${this.query(0)})`
        : `${random.pick(['sort', 'sort_desc'])}(${this.query(depth - 1)})`;
    }
    const op = random.pick(vectorOps);
    const inner = this.query(random.chance(0.5) ? 0 : depth - 1);
    if (random.chance(0.15)) return `${op}(${inner})`;
    return random.chance(0.7)
      ? `${op} ${this.#grouping()} (${inner})`
      : `${op}(${inner}) ${this.#grouping()}`;
  }

  #grouping(): string {
    const random = this.#random;
    const names = Array.from({ length: random.pick([0, 1, 1, 1, 2, 3]) }, () => random.pick(groupNames));
    return `${random.chance(0.8) ? 'by' : 'without'} (${[...new Set(names)].join(', ')})`;
  }

  #binary(depth: number): string {
    const random = this.#random;
    const { isExact } = this.#options;
    const left = this.#operand(depth - 1);
    if (random.chance(0.25)) {
      const op = isExact ? random.pick([...arithmetic, ...comparing]) : random.pick(['+', '*', '/'] as const);
      const number = random.pick(['2', '0.5', '10', '-3', '0']);
      const bool = (comparing as readonly string[]).includes(op) && random.chance(0.4) ? ' bool' : '';
      return random.chance(0.7) ? `${left} ${op}${bool} ${number}` : `${number} ${op}${bool} ${left}`;
    }
    if (random.chance(0.4)) {
      const op = random.pick(['and', 'or', 'unless']);
      return `${left} ${op}${this.#matching(false)} ${this.#operand(depth - 1)}`;
    }
    const op = isExact ? random.pick([...arithmetic, ...comparing]) : random.pick(['+', '*', '/'] as const);
    const bool = (comparing as readonly string[]).includes(op) && random.chance(0.4) ? ' bool' : '';
    const right = random.chance(0.3) ? left : this.#operand(depth - 1);
    return `${left} ${op}${bool}${this.#matching(true)} ${right}`;
  }

  /** Both sides grouped alike match more often than not. */
  #operand(depth: number): string {
    const random = this.#random;
    const name = random.pick(['app', 'env', 'format']);
    return random.chance(0.6)
      ? `${random.pick(vectorOps)} by (${name}) (${this.#range()})`
      : `(${this.query(depth)})`;
  }

  #matching(mayGroup: boolean): string {
    const random = this.#random;
    if (random.chance(0.6)) return '';
    const names = [random.pick(groupNames), ...(random.chance(0.3) ? [random.pick(groupNames)] : [])];
    const on = `${random.chance(0.7) ? ' on' : ' ignoring'} (${random.chance(0.1) ? '' : [...new Set(names)].join(', ')})`;
    if (!mayGroup || random.chance(0.5)) return on;
    return `${on} ${random.pick(['group_left', 'group_right'])} (${random.chance(0.5) ? '' : random.pick(groupNames)})`;
  }

  #labelReplace(depth: number): string {
    const random = this.#random;
    const replacement = random.pick(['$1', 'fixed', '', '${1}-x', '$2$1']);
    const pattern = random.pick(['(.*)', 'p(\\d)', '(a).*', '(.)(.).*', 'nothing', '']);
    return `label_replace(${this.query(depth - 1)}, "${random.pick(['x', 'app', 'zone'])}", ${quoted(replacement)}, "${random.pick(labelNames.slice(0, 8))}", ${quoted(pattern)})`;
  }

  #duration(): string {
    const { spanSeconds } = this.#options;
    const random = this.#random;
    const seconds = Math.max(1, Math.round(spanSeconds * random.pick([0.01, 0.05, 0.2, 0.5, 1, 1.2]) * (random.chance(0.3) ? random.float() + 0.5 : 1))); // prettier-ignore
    if (seconds % 3600 === 0) return `${seconds / 3600}h`;
    return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
  }
}
