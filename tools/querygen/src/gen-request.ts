/** Draws a question: query, time range, step, limit. */
import type { Prng } from '@loki/virtual';
import type { DataSet, StoredRow } from './data.ts';
import { LogQueries } from './gen-log.ts';
import { MetricQueries } from './gen-metric.ts';
import { Witness } from './witness.ts';

/** One question as a client asks it. */
export interface Question {
  /** One tenant, or several joined by `|`. */
  readonly tenants: readonly string[];
  readonly kind: 'log' | 'range' | 'instant';
  readonly query: string;
  readonly startNs: bigint;
  /** Moment of an instant query. */
  readonly endNs: bigint;
  /** Times of a range query. */
  readonly stepNs: bigint;
  readonly limit: number;
  readonly direction: 'forward' | 'backward';
  /** Limit of a log query; 0: none. */
  readonly intervalNs: bigint;
}

const second = 1_000_000_000n;

/** @param rows all rows of the data */
export function drawQuestion(random: Prng, data: DataSet, rows: readonly StoredRow[]): Question {
  const spanNs = data.endNs - data.startNs;
  const kind = random.pick(['log', 'log', 'range', 'range', 'instant'] as const);
  const isMulti = data.tenants.length > 1 && random.chance(0.1);
  // Some requests name a tenant without data.
  const witness = new Witness(random.pick(rows));
  const tenants = isMulti ? data.tenants : [random.chance(0.03) ? random.pick(data.tenants) : witness.stored.tenant]; // prettier-ignore
  const [startNs, endNs] = drawRange(random, data, witness.timestampNs, kind);
  const stepNs = drawStep(random, endNs - startNs);
  const metrics = new MetricQueries(random, {
    witness,
    spanSeconds: Number(spanNs / second),
    isInstant: kind === 'instant',
    moments: { kind, startNs, endNs, stepNs },
    isExact: data.numbers === 'dyadic',
  });
  const query = kind === 'log' ? new LogQueries(random, witness).query() : metrics.query();
  return {
    tenants,
    kind,
    query: restyled(random, query),
    startNs,
    endNs,
    stepNs,
    limit: random.pick([1, 2, 3, 10, 100, 5000]),
    direction: random.pick(['forward', 'backward']),
    intervalNs: kind === 'log' && random.chance(0.05) ? (spanNs / 20n / second + 1n) * second : 0n,
  };
}

/** Case, blanks and comments make no difference to functions. */
function restyled(random: Prng, query: string): string {
  const roll = random.int(0, 39);
  if (roll === 0) return `${query} # {not="read"}\n`;
  if (roll === 1) return `\n  ${query}\t`;
  if (roll === 2)
    {return query.replace(/\b(sum|rate|topk|count_over_time|avg)(?= by| without|\()/g, (name) => name.toUpperCase());} // prettier-ignore
  return query;
}

/** Most ranges hold the row; borders fall on rows often, since both have coarse clocks. */
function drawRange(
  random: Prng,
  { startNs, endNs }: DataSet,
  aimNs: bigint,
  kind: Question['kind'],
): [bigint, bigint] {
  if (random.chance(0.4)) return [startNs, endNs + 1n];
  const spanNs = endNs - startNs;
  const share = (odds: number) => BigInt(Math.floor(Number(spanNs) * odds));
  const isAimed = random.chance(0.9);
  const lengthNs = share(random.float() ** 2);
  const from = isAimed
    ? aimNs - BigInt(Math.floor(Number(lengthNs) * random.float()))
    : startNs + share(random.float() * 1.2 - 0.2);
  const unit = random.pick([1n, second, 60n * second]);
  const fromNs = from - (from % unit);
  const to = from + lengthNs;
  const toNs = to - (to % unit);
  if (kind === 'range' && random.chance(0.05)) return [fromNs, fromNs];
  if (toNs > fromNs && (!isAimed || toNs > aimNs)) return [fromNs, toNs];
  return [fromNs, (isAimed && aimNs > fromNs ? aimNs - (aimNs % unit) : fromNs) + unit];
}

/** A few steps to some hundred. */
function drawStep(random: Prng, lengthNs: bigint): bigint {
  const steps = BigInt(random.pick([1, 3, 7, 10, 40, 150]));
  const stepNs = lengthNs / steps;
  const unit = random.pick([1_000_000n, second, second, 60n * second]);
  const rounded = stepNs - (stepNs % unit);
  const leastNs = lengthNs / 300n + 1n;
  return rounded > leastNs ? rounded : ((leastNs + second - 1n) / second) * second;
}
