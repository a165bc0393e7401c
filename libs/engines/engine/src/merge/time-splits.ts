/** Cuts leaves into parts at multiples of an interval: step *cut* of a query. */
import { parseLeafText, printLeaf } from '@loki/logql';
import type { MetricExpr } from '@loki/logql';
import { nsPerMs } from '@loki/model';
import type { SampleLeafRequest } from '@loki/ports';
import { asSampleLeaf, rangeAggOf } from '../common/leaf-expr.ts';
import type { SampleLeafExpr } from '../common/leaf-expr.ts';
import { stepCount } from './merge-samples.ts';

/** Most parts of one leaf; for more, the interval is doubled until they are few enough. */
const partsMax = 1024n;

/**
 * Cuts the steps of a leaf at multiples of `intervalNs`, in order of time: each step is in exactly one part,
 * which computes its window. A step on a border belongs to the interval before it, whose entries it counts.
 */
export function splitSteps(request: SampleLeafRequest, intervalNs: bigint): SampleLeafRequest[] {
  const { startNs, stepNs } = request;
  const steps = stepCount(request);
  if (intervalNs <= 0n || steps === 1) return [request];
  const lastNs = startNs + BigInt(steps - 1) * stepNs;
  const interval = boundedInterval(intervalNs, lastNs - startNs);
  const parts: SampleLeafRequest[] = [];
  for (let fromNs = startNs; fromNs <= lastNs;) {
    const toNs = fromNs + floorTo(ceilTo(fromNs, interval) - fromNs, stepNs);
    parts.push({ ...request, startNs: fromNs, endNs: toNs < lastNs ? toNs : lastNs });
    fromNs = toNs + stepNs;
  }
  return parts;
}

/**
 * A leaf of one step, cut into windows that follow each other without a gap; their states merge to the state
 * of the whole window.
 */
interface RangeSplit {
  /** From the start of the window to the first border; absent when it starts at one. */
  readonly first?: SampleLeafRequest;
  /** The whole intervals: one step for each, which counts the entries of (step - interval, step]. */
  readonly middle: SampleLeafRequest;
  /** From the last border to the end of the window; absent when it ends at one. */
  readonly last?: SampleLeafRequest;
}

/**
 * Cuts the window of a leaf of one step at multiples of `intervalNs`; undefined when it contains no whole
 * interval, or does not start and end at whole milliseconds, which LogQL cannot express.
 */
export function splitRange(request: SampleLeafRequest, intervalNs: bigint): RangeSplit | undefined {
  if (stepCount(request) !== 1 || intervalNs <= 0n) return undefined;
  const leaf = sampleLeafOf(request.expr);
  const { rangeNs, offsetNs } = rangeAggOf(leaf);
  const endNs = request.startNs - offsetNs;
  const startNs = endNs - rangeNs;
  if (endNs % nsPerMs !== 0n || startNs % nsPerMs !== 0n || intervalNs % nsPerMs !== 0n) return undefined;
  const interval = boundedInterval(intervalNs, rangeNs);
  const lowNs = ceilTo(startNs, interval);
  const highNs = floorTo(endNs, interval);
  if (highNs - lowNs < interval) return undefined;
  const middle = {
    ...request,
    expr: withRange(leaf, interval),
    startNs: lowNs + interval,
    endNs: highNs,
    stepNs: interval,
  };
  return {
    ...(lowNs > startNs ? { first: rangeLeaf(request, leaf, startNs, lowNs) } : {}),
    middle,
    ...(highNs < endNs ? { last: rangeLeaf(request, leaf, highNs, endNs) } : {}),
  };
}

/** Neighbouring parts of a split range as one leaf of one step. */
export function joinRanges(parts: readonly SampleLeafRequest[]): SampleLeafRequest {
  const first = parts[0];
  const last = parts[parts.length - 1];
  const leaf = sampleLeafOf(first.expr);
  return rangeLeaf(last, leaf, first.startNs - rangeAggOf(leaf).rangeNs, last.endNs);
}

/**
 * Whether the parts of a leaf merge to the result of the whole. False when a template uses the time of the
 * query, because each part would use its own.
 */
export function isSplittable(text: string): boolean {
  return !text.includes('_format') || !/\b(?:now|date)\b/.test(text);
}

/**
 * Whether the results of a leaf's shards merge to the result of the whole leaf, regardless of the order of
 * equal timestamps.
 */
export function isShardable(text: string, shardAggregations: readonly string[]): boolean {
  const expr = parseLeafText(text);
  if (expr.kind === 'log') return true;
  const { op } = rangeAggOf(sampleLeafOf(text));
  if (op === 'absent_over_time') return false;
  const isAsked = op === 'quantile_over_time' || op === 'first_over_time' || op === 'last_over_time';
  return !isAsked || shardAggregations.includes(op);
}

/** The largest multiple of `unit` that is at most `value`. */
export function floorTo(value: bigint, unit: bigint): bigint {
  const remainder = value % unit;
  return remainder < 0n ? value - remainder - unit : value - remainder;
}

/** The smallest multiple of `unit` that is at least `value`. */
export function ceilTo(value: bigint, unit: bigint): bigint {
  const floor = floorTo(value, unit);
  return floor === value ? value : floor + unit;
}

function boundedInterval(intervalNs: bigint, lengthNs: bigint): bigint {
  let interval = intervalNs;
  while (lengthNs / interval > partsMax) interval *= 2n;
  return interval;
}

/** A leaf of one step that counts the entries of (startNs, endNs]. */
function rangeLeaf(
  request: SampleLeafRequest,
  leaf: SampleLeafExpr,
  startNs: bigint,
  endNs: bigint,
): SampleLeafRequest {
  return { ...request, expr: withRange(leaf, endNs - startNs), startNs: endNs, endNs, stepNs: 0n };
}

function withRange(leaf: SampleLeafExpr, rangeNs: bigint): string {
  const range = { ...rangeAggOf(leaf), rangeNs, offsetNs: 0n };
  return printLeaf(leaf.kind === 'rangeAgg' ? range : { ...leaf, expr: range });
}

function sampleLeafOf(text: string): SampleLeafExpr {
  const leaf = asSampleLeaf(parseLeafText(text) as MetricExpr);
  if (!leaf) throw new Error(`not a sample leaf: ${text}`);
  return leaf;
}
