/** Draws data sets: pushes of rows for some tenants. */
import { Labels } from '@loki/model';
import { virtualEpochMs } from '@loki/virtual';
import type { Prng } from '@loki/virtual';
import { formats, LineMaker, levels } from './lines.ts';
import type { Format, Numbers } from './lines.ts';
import { drawCutting } from './routes.ts';
import type { Cutting } from './routes.ts';

export interface Row {
  readonly timestampNs: bigint;
  readonly line: string;
  readonly metadata: readonly (readonly [name: string, value: string])[];
}

/** A row with its tenant and its stream. */
export interface StoredRow {
  readonly tenant: string;
  readonly stream: ReadonlyMap<string, string>;
  readonly row: Row;
}

/** One push: rows of some streams of one tenant. */
export interface Push {
  readonly tenant: string;
  readonly streams: readonly { readonly labels: Labels; readonly rows: readonly Row[] }[];
}

/** All pushes, in order, and the facts by which queries aim at them. */
export interface DataSet {
  readonly numbers: Numbers;
  readonly tenants: readonly string[];
  /** All rows lie in startNs <= ts <= endNs. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly pushes: readonly Push[];
  /** Settings by which questions about these data are cut. */
  readonly cutting: Cutting;
}

const second = 1_000_000_000n;
const epochNs = BigInt(virtualEpochMs) * 1_000_000n;

/** Whole data sets: from a minute to days, from a few rows to some hundred. */
export function drawData(random: Prng): DataSet {
  const numbers = random.pick(['dyadic', 'dyadic', 'decimal'] as const);
  const spanNs = second * BigInt(random.pick([60, 600, 7_200, 7_200, 50 * 3_600]));
  const tickNs = random.pick([1n, 1_000_000n, second, second, 10n * second, 60n * second]);
  const tenants = ['one', 'two', 'three'].slice(0, random.int(1, 3));
  const makers = new LineMaker(random.fork('lines'), numbers);
  const startNs = epochNs - spanNs;
  const endNs = epochNs;
  const streams = drawStreams(random);
  const pushes: Push[] = [];
  const pushCount = random.int(4, 40);
  const lateOdds = random.pick([0, 0.1, 0.6]);
  const earlier: { tenant: string; labels: Labels; row: Row }[] = [];
  const rowsMax = random.pick([1, 4, 10, 25]);
  for (let i = 0; i < pushCount; i++) {
    const tenant = random.pick(tenants);
    const aboutNs = startNs + (spanNs * BigInt(i)) / BigInt(pushCount);
    const parts = Array.from({ length: random.int(1, 3) }, () => {
      const { labels, format } = random.pick(streams);
      const rows = Array.from({ length: random.int(1, rowsMax) }, (): Row => {
        const isLate = random.chance(lateOdds);
        const jitterNs = BigInt(Math.floor(random.float() * Number(spanNs) * (isLate ? 1 : 0.05)));
        const rawNs = isLate ? startNs + jitterNs : aboutNs + jitterNs;
        const timestampNs = clampNs(rawNs - (rawNs % tickNs), startNs, endNs);
        return { timestampNs, line: makers.line(format), metadata: drawMetadata(random, makers) };
      });
      for (const row of rows) earlier.push({ tenant, labels, row });
      return { labels, rows };
    });
    pushes.push({ tenant, streams: parts });
    // A client's retry, alone or with other streams.
    if (random.chance(0.15)) {
      const repeated = random.pick(earlier);
      pushes.push({ tenant: repeated.tenant, streams: [{ labels: repeated.labels, rows: [repeated.row] }] });
    }
  }
  const cutting = drawCutting(random.fork('cutting'), spanNs);
  return { numbers, tenants, startNs, endNs, pushes, cutting };
}

function drawStreams(random: Prng): { labels: Labels; format: Format }[] {
  const count = random.pick([1, 3, 8, 16]);
  return Array.from({ length: count }, (_, i) => {
    const format = formats[i % formats.length];
    const pairs: [string, string][] = [
      ['app', random.pick(['api', 'web', 'db', 'wörker'])],
      ['format', format],
      ['env', random.pick(['prod', 'dev'])],
    ];
    if (random.chance(0.7)) pairs.push(['pod', `p${random.int(0, 5)}`]);
    if (random.chance(0.2)) pairs.push(['level', random.pick(levels)]);
    return { labels: Labels.fromPairs(pairs), format };
  });
}

function drawMetadata(random: Prng, makers: LineMaker): [string, string][] {
  const pairs: [string, string][] = [];
  if (random.chance(0.3)) pairs.push(['trace_id', `t${random.int(0, 5)}`]);
  if (random.chance(0.15)) pairs.push(['latency', makers.number() || '1']);
  if (random.chance(0.05)) pairs.push(['app', 'meta']);
  if (random.chance(0.1)) pairs.push(['user', random.pick(['bob', 'eve'])]);
  return pairs;
}

function clampNs(ns: bigint, low: bigint, high: bigint): bigint {
  return ns < low ? low : ns > high ? high : ns;
}

/** The body of a JSON push. */
export function encodePush(push: Push): Buffer {
  const streams = push.streams.map(({ labels, rows }) => ({
    stream: labels.toObject(),
    values: rows.map(({ timestampNs, line, metadata }) =>
      metadata.length === 0
        ? [timestampNs.toString(), line]
        : [timestampNs.toString(), line, Object.fromEntries(metadata)],
    ),
  }));
  return Buffer.from(JSON.stringify({ streams }));
}
