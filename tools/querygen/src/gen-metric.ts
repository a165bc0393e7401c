/** Draws metric queries. */
import type { Prng } from '@loki/virtual';
import { LogQueries } from './gen-log.ts';
import { fieldNames, groupNames, labelNames, quoted } from './gen-names.ts';
import { momentsOf } from './moments.ts';
import type { Moments } from './moments.ts';
import { bytesOf, durationNsOf, floatOf } from './referee-values.ts';
import type { Witness } from './witness.ts';

const plainOps = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate'] as const;
const unwrapOps = ['sum_over_time', 'avg_over_time', 'min_over_time', 'max_over_time', 'first_over_time', 'last_over_time', 'stddev_over_time', 'stdvar_over_time', 'quantile_over_time', 'quantile_over_time', 'rate', 'rate_counter'] as const; // prettier-ignore
const groupable: ReadonlySet<string> = new Set(['avg_over_time', 'min_over_time', 'max_over_time', 'first_over_time', 'last_over_time', 'stddev_over_time', 'stdvar_over_time', 'quantile_over_time']); // prettier-ignore
const vectorOps = ['sum', 'sum', 'sum', 'avg', 'min', 'max', 'count', 'stddev', 'stdvar'] as const;
const arithmetic = ['+', '-', '*', '/', '%', '^'] as const;
const comparing = ['==', '!=', '>', '>=', '<', '<='] as const;

interface MetricOptions {
  /** Seconds between the first and last row: ranges are drawn to fit. */
  readonly spanSeconds: number;
  readonly isInstant: boolean;
  readonly moments: Moments;
  /**
   * Sums of these data depend on the order of addition in the last bits. Then no operation is drawn that
   * turns a small difference into a large one: comparisons, orders, powers, remainders.
   */
  readonly isExact: boolean;
  readonly witness: Witness;
}

/** Draws metric queries for a row, which most of their windows should contain. */
export class MetricQueries {
  readonly #random: Prng;
  readonly #logs: LogQueries;
  readonly #options: MetricOptions;

  constructor(random: Prng, options: MetricOptions) {
    this.#random = random;
    this.#logs = new LogQueries(random, options.witness);
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
    if (random.chance(0.6)) return `${this.query(depth - 1)} or vector(${random.pick(['0', '1.5'])})`;
    return random.pick(['vector(1)', '1 + 2', '3 > bool 2', '-2 ^ 2', 'vector(2) * 3', '2 ^ 3 ^ 2', 'vector(1) / vector(0)']); // prettier-ignore
  }

  #range(): string {
    const random = this.#random;
    const usesUnwrap = random.chance(0.45);
    const head = this.#logs.selector();
    const length = this.#length();
    if (!usesUnwrap) {
      const op = random.chance(0.06) ? 'absent_over_time' : random.pick(plainOps);
      const stages = random.pick([0, 0, 1, 1, 2, 3]);
      const query = this.#logs.withStages(head, stages);
      return `${op}(${this.#logRange(head, query.slice(head.length) + (stages > 0 ? this.#guard(0.7) : ''), length)})`;
    }
    const op = random.chance(0.03) ? 'absent_over_time' : random.pick(unwrapOps);
    let query = head;
    if (random.chance(0.3)) query += this.#logs.lineFilter(query);
    query += this.#logs.parser(query);
    if (random.chance(0.3)) query += this.#logs.stage(query);
    const grouping = groupable.has(op) && random.chance(0.5) ? ` ${this.#grouping()}` : '';
    const parameter =
      op === 'quantile_over_time' ? `${random.pick(['0', '0.5', '0.99', '1', '0.25', '.9', '1.5', '-1'])}, ` : ''; // prettier-ignore
    return `${op}(${parameter}${this.#logRange(head, query.slice(head.length) + this.#unwrap(query), length)})${grouping}`;
  }

  /** The range may stand before the stages, behind them, or behind all in parentheses. */
  #logRange(selector: string, stages: string, length: string): string {
    const roll = this.#random.int(0, 19);
    if (roll === 0) return `${selector}${length}${stages}`;
    if (roll === 1) return `(${selector}${stages})${length}`;
    if (roll === 2) return `(${selector}${stages}${length})`;
    return `${selector}${stages}${length}`;
  }

  /** Unwraps a label of the row, by a conversion that can read it. */
  #unwrap(query: string): string {
    const random = this.#random;
    const row = this.#logs.rowAfter(query);
    const readable = [...row.labels()].filter(([, value]) => floatOf(value) !== undefined || durationNsOf(value) !== undefined || bytesOf(value) !== undefined); // prettier-ignore
    const [name, value] =
      readable.length > 0 && random.chance(0.9)
        ? random.pick(readable)
        : [random.pick(['latency', 'status', 'x', 'dur', 'size', 'user_id']), '1'];
    const ways = [
      ...(floatOf(value) === undefined ? [] : [name, name, name, name]),
      ...(durationNsOf(value) === undefined ? [] : [`duration(${name})`, `duration_seconds(${name})`]),
      ...(bytesOf(value) === undefined ? [] : [`bytes(${name})`]),
    ];
    const more = random.chance(0.1) ? this.#logs.labelFilter(query) : '';
    return ` | unwrap ${random.pick(ways)}${this.#guard(0.9)}${more}`;
  }

  /** Lines with an error fail a metric query: most queries leave them out. */
  #guard(odds: number): string {
    return this.#random.chance(odds) ? this.#random.pick([' | __error__=""', ' | __error__=""', ' | __error__!~".+"']) : ''; // prettier-ignore
  }

  #vector(depth: number): string {
    const random = this.#random;
    const { isExact, isInstant } = this.#options;
    if (isExact && random.chance(0.2)) {
      const op = random.pick(['topk', 'bottomk']);
      const inner = `(${random.int(1, 4)}, ${this.query(depth - 1)})`;
      if (random.chance(0.7)) return `${op}${inner}`;
      return random.chance(0.6) ? `${op} ${this.#grouping()} ${inner}` : `${op}${inner} ${this.#grouping()}`;
    }
    if (isExact && random.chance(isInstant ? 0.1 : 0.02)) {
      return isInstant && random.chance(0.3)
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
      const compares = (comparing as readonly string[]).includes(op);
      const number = random.pick(compares ? ['0', '1', '2', '-3', '1e3'] : ['2', '0.5', '10', '-3', '0']);
      const bool = compares && random.chance(0.4) ? ' bool' : '';
      return random.chance(0.7) ? `${left} ${op}${bool} ${number}` : `${number} ${op}${bool} ${left}`;
    }
    if (random.chance(0.4)) {
      const op = random.pick(['and', 'or', 'unless']);
      return `${left} ${op}${this.#matching(false)} ${this.#operand(depth - 1)}`;
    }
    const op = isExact ? random.pick([...arithmetic, ...comparing]) : random.pick(['+', '*', '/'] as const);
    const bool = (comparing as readonly string[]).includes(op) && random.chance(0.5) ? ' bool' : '';
    if (random.chance(0.3)) return this.#oneToMany(`${op}${bool}`);
    const right = random.chance(0.4) ? left : this.#operand(depth - 1);
    return `${left} ${op}${bool}${random.chance(0.6) ? '' : this.#matching(true)} ${right}`;
  }

  /** One side has one label more than the other. */
  #oneToMany(op: string): string {
    const random = this.#random;
    const [shared, more] = random.pick([['app', 'format'], ['env', 'app'], ['format', 'pod'], ['app', 'level']] as const); // prettier-ignore
    const aggregated = (names: string) => `${random.pick(vectorOps)} by (${names}) (${this.#range()})`;
    const [finer, one] = [aggregated(`${shared}, ${more}`), aggregated(shared)];
    const on = random.chance(0.6) ? `on (${shared})` : `ignoring (${more})`;
    const include = random.pick(['', '', ' ()', ` (${shared})`, ' (nothing)']);
    return random.chance(0.5)
      ? `${finer} ${op} ${on} group_left${include} ${one}`
      : `${one} ${op} ${on} group_right${include} ${finer}`;
  }

  /** Equal grouping on both sides: series match more often than not. */
  #operand(depth: number): string {
    const random = this.#random;
    const name = random.pick(['app', 'app', 'env', 'format']);
    return random.chance(0.6)
      ? `${random.pick(vectorOps)} by (${name}) (${this.#range()})`
      : `(${this.query(depth)})`;
  }

  #matching(mayGroup: boolean): string {
    const random = this.#random;
    if (random.chance(0.5)) return '';
    const names = [random.pick(groupNames), ...(random.chance(0.3) ? [random.pick(groupNames)] : [])];
    const on = `${random.chance(0.5) ? ' on' : ' ignoring'} (${random.chance(0.1) ? '' : [...new Set(names)].join(', ')})`;
    if (!mayGroup || random.chance(0.5)) return on;
    return `${on} ${random.pick(['group_left', 'group_right'])} (${random.chance(0.5) ? '' : random.pick(groupNames)})`;
  }

  #labelReplace(depth: number): string {
    const random = this.#random;
    const replacement = random.pick(['$1', 'fixed', '', '${1}-x', '$2$1', '$0']);
    const pattern = random.pick(['(.*)', 'p(\\d)', '(a).*', '(.)(.).*', 'nothing', '', '(?P<n>.+)']);
    return `label_replace(${this.query(depth - 1)}, "${random.pick(['x', 'app', 'zone'])}", ${quoted(replacement)}, "${random.pick([...labelNames.slice(0, 8), ...fieldNames.slice(0, 4)])}", ${quoted(pattern)})`;
  }

  /** A range and perhaps an offset, such that some window holds the row more often than not. */
  #length(): string {
    const random = this.#random;
    const { witness, moments } = this.#options;
    for (let i = 0; ; i++) {
      const seconds = this.#seconds();
      const offset = random.chance(0.08) ? (random.chance(0.3) ? -1 : 1) * this.#seconds() : 0;
      const text = `[${durationText(seconds)}]${offset === 0 ? '' : ` offset ${offset < 0 ? '-' : ''}${durationText(Math.abs(offset))}`}`;
      if (i === 6 || random.chance(0.05) || covers(moments, witness.timestampNs, seconds, offset)) {
        return text;
      }
    }
  }

  #seconds(): number {
    const { spanSeconds } = this.#options;
    const random = this.#random;
    return Math.max(1, Math.round(spanSeconds * random.pick([0.01, 0.05, 0.2, 0.5, 1, 1.2]) * (random.chance(0.3) ? random.float() + 0.5 : 1))); // prettier-ignore
  }
}

function durationText(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}

function covers(moments: Moments, timestampNs: bigint, seconds: number, offset: number): boolean {
  const fromNs = timestampNs + BigInt(offset) * 1_000_000_000n;
  const toNs = fromNs + BigInt(seconds) * 1_000_000_000n;
  for (const momentNs of momentsOf(moments)) if (momentNs >= fromNs && momentNs < toNs) return true;
  return false;
}
