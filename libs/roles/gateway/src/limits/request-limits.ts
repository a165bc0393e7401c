import type { Limits } from '@loki/config';
import { parseDuration } from '@loki/go';
import { parseExpr } from '@loki/logql';
import type { Expr } from '@loki/logql';
import { nsPerMs } from '@loki/model';
import { parseByteSize } from './byte-text.ts';
import { badRequest, parseRfc3339 } from './params.ts';
import type { TimeRange } from './params.ts';

/** `X-Loki-Query-Limits`: what a proxy in front asks to be held in check more tightly than the tenant is. */
const header = 'X-Loki-Query-Limits';

const durations = {
  maxQueryLength: 'maxQueryLengthMs',
  maxQueryInterval: 'maxQueryRangeMs',
  maxQueryLookback: 'maxQueryLookbackMs',
  maxQueryTime: 'queryTimeoutMs',
} as const;

const numbers = {
  maxEntriesLimitPerQuery: 'maxEntriesLimitPerQuery',
  maxQueryBytesRead: 'maxQueryBytesRead',
} as const;

/** `X-Loki-Query-Limits-Context`: the query that this one is a part of, as somebody in front has cut it. */
const contextHeader = 'X-Loki-Query-Limits-Context';

export interface WholeQuery extends TimeRange {
  readonly expr: Expr;
}

/**
 * The whole of what is asked in parts: its limits are checked beside those of the part, never in their place,
 * so that nobody gets by a limit with a smaller whole.
 *
 * @throws LokiError badRequest for a header that makes no sense
 */
export function parseWholeQuery(text: string | undefined): WholeQuery | undefined {
  if (text === undefined || text === '') return undefined;
  const asked = parseObject(contextHeader, text);
  const query = asked.get('expr');
  if (typeof query !== 'string') throw bad(contextHeader, 'expr');
  return {
    expr: parseExpr(query),
    startNs: momentOf('from', asked.get('from')),
    endNs: momentOf('to', asked.get('to')),
  };
}

/** RFC 3339 as Go writes it, or Unix milliseconds as browsers count. */
function momentOf(name: string, value: unknown): bigint {
  const ns =
    typeof value === 'string'
      ? parseRfc3339(value)
      : typeof value === 'number' && Number.isSafeInteger(value)
        ? BigInt(value) * nsPerMs
        : undefined;
  if (ns === undefined) throw bad(contextHeader, name);
  return ns;
}

/**
 * The tenant's limits, with those of the header where they are tighter: a header never loosens one.
 *
 * @throws LokiError badRequest for a header that makes no sense
 */
export function tightenedLimits(limits: Limits, text: string | undefined): Limits {
  if (text === undefined || text === '') return limits;
  const asked = parseObject(header, text);
  const tight: { -readonly [K in keyof Limits]: Limits[K] } = { ...limits };
  for (const [name, key] of Object.entries(durations)) {
    if (asked.has(name)) tight[key] = tighter(limits[key], durationMs(name, asked.get(name)));
  }
  for (const [name, key] of Object.entries(numbers)) {
    if (asked.has(name)) tight[key] = tighter(limits[key], bytesOf(name, asked.get(name)));
  }
  if (asked.has('minimumLabelsNumber')) {
    const count = bytesOf('minimumLabelsNumber', asked.get('minimumLabelsNumber'));
    tight.minimumLabelsNumber = Math.max(limits.minimumLabelsNumber, count);
  }
  const labels = asked.get('requiredLabels');
  if (labels !== undefined && labels !== null) {
    if (!Array.isArray(labels) || !labels.every((each) => typeof each === 'string')) {
      throw bad(header, 'requiredLabels');
    }
    tight.requiredLabels = [...new Set([...limits.requiredLabels, ...labels])];
  }
  // Not a limit but a way of working; one that is not known changes nothing.
  const strategy = asked.get('tsdbShardingStrategy');
  if (strategy === 'bounded' || strategy === 'power_of_two') tight.tsdbShardingStrategy = strategy;
  return tight;
}

/** 0 is no limit. */
function tighter(current: number, asked: number): number {
  if (asked === 0) return current;
  return current === 0 ? asked : Math.min(current, asked);
}

function parseObject(header: string, text: string): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest(`${header} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest(`${header} is not an object`);
  }
  return new Map(Object.entries(value));
}

function durationMs(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0) return value / 1e6;
  const duration = typeof value === 'string' ? parseDuration(value) : undefined;
  if (duration === undefined || duration < 0n) throw bad(header, name);
  return Number(duration / nsPerMs);
}

/** A number, or one with a unit as Loki's configuration has them. */
function bytesOf(name: string, value: unknown): number {
  const bytes = typeof value === 'string' ? parseByteSize(value) : value;
  if (typeof bytes !== 'number' || !(bytes >= 0)) throw bad(header, name);
  return bytes;
}

function bad(header: string, name: string): Error {
  return badRequest(`${header}: ${name} has no valid value`);
}
