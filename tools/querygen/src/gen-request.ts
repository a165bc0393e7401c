import type { Prng } from '@loki/testkit';
import type { DataSet } from './data.ts';
import { LogQueries } from './gen-log.ts';
import type { Hints } from './gen-log.ts';
import { formats } from './lines.ts';
import { MetricQueries } from './gen-metric.ts';

/** One question as a client asks it. */
export interface Question {
  /** One tenant, or several joined by `|`. */
  readonly tenants: readonly string[];
  readonly kind: 'log' | 'range' | 'instant';
  readonly query: string;
  readonly startNs: bigint;
  /** Instant queries: the moment. */
  readonly endNs: bigint;
  /** Range queries. */
  readonly stepNs: bigint;
  readonly limit: number;
  readonly direction: 'forward' | 'backward';
  /** Log queries; 0: none. */
  readonly intervalNs: bigint;
}

const second = 1_000_000_000n;

export function drawQuestion(random: Prng, data: DataSet): Question {
  const spanNs = data.endNs - data.startNs;
  const kind = random.pick(['log', 'log', 'range', 'range', 'instant'] as const);
  const [startNs, endNs] = drawRange(random, data);
  const isMulti = data.tenants.length > 1 && random.chance(0.1);
  const tenants = isMulti ? data.tenants : [random.pick(data.tenants)];
  const hints = hintsOf(data, random.pick(tenants));
  const metrics = new MetricQueries(random, {
    hints,
    spanSeconds: Number(spanNs / second),
    isInstant: kind === 'instant',
    isExact: data.numbers === 'dyadic',
  });
  const query = kind === 'log' ? new LogQueries(random, hints).query() : metrics.query();
  return {
    tenants,
    kind,
    query,
    startNs,
    endNs,
    stepNs: drawStep(random, endNs - startNs),
    limit: random.pick([1, 3, 10, 100, 5000]),
    direction: random.pick(['forward', 'backward']),
    intervalNs: kind === 'log' && random.chance(0.05) ? (spanNs / 20n / second + 1n) * second : 0n,
  };
}

/** A tenant without data is asked as if it had those of all. */
function hintsOf(data: DataSet, tenant: string): Hints {
  const own = data.pushes.filter((push) => push.tenant === tenant);
  const parts = (own.length > 0 ? own : data.pushes).flatMap((push) => push.streams);
  return {
    streams: parts.map(({ labels }) => {
      const map = new Map(Object.entries(labels.toObject()));
      return { labels: map, format: formats.find((format) => format === map.get('format')) ?? 'odd' };
    }),
    lines: parts.flatMap(({ rows }) => rows.map(({ line }) => line)),
  };
}

/** Most ranges hold all rows, or most of them; borders fall on rows often, since both have coarse clocks. */
function drawRange(random: Prng, { startNs, endNs }: DataSet): [bigint, bigint] {
  const spanNs = endNs - startNs;
  if (random.chance(0.45)) return [startNs, endNs + 1n];
  const at = (share: number) => startNs + BigInt(Math.floor(Number(spanNs) * share));
  const from = at(random.float() * 1.2 - 0.2);
  const to = from + BigInt(Math.floor(Number(spanNs) * random.float()));
  const unit = random.pick([1n, second, 60n * second]);
  const fromNs = from - (from % unit);
  const toNs = to - (to % unit);
  return toNs > fromNs ? [fromNs, toNs] : [fromNs, fromNs + unit];
}

/** A few steps to some hundred. */
function drawStep(random: Prng, lengthNs: bigint): bigint {
  const steps = BigInt(random.pick([1, 3, 10, 40, 150]));
  const stepNs = lengthNs / steps;
  const unit = random.pick([1_000_000n, second, second, 60n * second]);
  const rounded = stepNs - (stepNs % unit);
  const leastNs = lengthNs / 500n + 1n;
  return rounded > leastNs ? rounded : ((leastNs + second - 1n) / second) * second;
}
