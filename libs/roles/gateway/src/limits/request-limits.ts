/** Limits that a proxy sends with a request (`X-Loki-Query-Limits`): step *admit* of a query. */
import type { Limits } from '@loki/config';
import { parseDuration } from '@loki/go';
import { parseExpr } from '@loki/logql';
import type { Expr } from '@loki/logql';
import { nsPerMs } from '@loki/model';
import type { HttpRequest } from '@loki/ports';
import { parseBinaryBytes } from './byte-text.ts';
import { badRequest, parseRfc3339 } from './params.ts';
import type { TimeRange } from './params.ts';

/** Header with limits of a proxy that are tighter than the tenant's. */
const header = 'X-Loki-Query-Limits';

const durations = {
  maxQueryLength: 'maxQueryLengthMs',
  maxQueryInterval: 'maxQueryRangeMs',
  maxQueryLookback: 'maxQueryLookbackMs',
  maxQueryTime: 'queryTimeoutMs',
} as const;

/** Header with the whole query, when a proxy has split it. */
const contextHeader = 'X-Loki-Query-Limits-Context';

export interface WholeQuery extends TimeRange {
  readonly expr: Expr;
}

/**
 * Parses the whole query that a proxy has split. Limits are checked for the whole and for the part, so that
 * the header cannot avoid a limit.
 *
 * @throws LokiError badRequest for a header that makes no sense
 */
export function parseWholeQuery(text: string | undefined): WholeQuery | undefined {
  if (text === undefined || text === '') return undefined;
  const fields = parseObject(contextHeader, text);
  const query = fields.get('expr');
  if (typeof query !== 'string') throw bad(contextHeader, 'expr');
  return {
    expr: parseExpr(query),
    startNs: momentOf('from', fields.get('from')),
    endNs: momentOf('to', fields.get('to')),
  };
}

/**
 * The text of the whole query, to be read before the header is parsed; undefined: there is none, or parsing
 * it tells the fault.
 */
export function wholeQueryText({ headers }: Pick<HttpRequest, 'headers'>): string | undefined {
  const text = headers.get(contextHeader.toLowerCase());
  if (text === undefined || text === '') return undefined;
  try {
    const query = parseObject(contextHeader, text).get('expr');
    return typeof query === 'string' ? query : undefined;
  } catch {
    return undefined; // Refused with its reason where the limits are read.
  }
}

/** A time: RFC 3339 as Go writes it, or Unix milliseconds. */
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
 * The tenant's limits, replaced by the header's where those are tighter: a header never loosens a limit.
 *
 * @throws LokiError badRequest for a header that makes no sense
 */
export function tightenedLimits(limits: Limits, text: string | undefined): Limits {
  if (text === undefined || text === '') return limits;
  const fields = parseObject(header, text);
  const tight: { -readonly [K in keyof Limits]: Limits[K] } = { ...limits };
  for (const [name, key] of Object.entries(durations)) {
    if (fields.has(name)) tight[key] = tighter(limits[key], durationMs(name, fields.get(name)));
  }
  if (fields.has('maxQueryBytesRead')) {
    const bytes = bytesOf('maxQueryBytesRead', fields.get('maxQueryBytesRead'));
    tight.maxQueryBytesRead = tighter(limits.maxQueryBytesRead, bytes);
  }
  if (fields.has('maxEntriesLimitPerQuery')) {
    const entries = countOf('maxEntriesLimitPerQuery', fields.get('maxEntriesLimitPerQuery'));
    tight.maxEntriesLimitPerQuery = tighter(limits.maxEntriesLimitPerQuery, entries);
  }
  if (fields.has('minimumLabelsNumber')) {
    const count = countOf('minimumLabelsNumber', fields.get('minimumLabelsNumber'));
    tight.minimumLabelsNumber = Math.max(limits.minimumLabelsNumber, count);
  }
  const labels = fields.get('requiredLabels');
  if (labels !== undefined && labels !== null) {
    if (!Array.isArray(labels) || !labels.every((each) => typeof each === 'string')) {
      throw bad(header, 'requiredLabels');
    }
    tight.requiredLabels = [...new Set([...limits.requiredLabels, ...labels])];
  }
  // No limit but a strategy; an unknown one changes nothing.
  const strategy = fields.get('tsdbShardingStrategy');
  if (strategy === 'bounded' || strategy === 'power_of_two') tight.tsdbShardingStrategy = strategy;
  return tight;
}

/** 0 is no limit. */
function tighter(current: number, requested: number): number {
  if (requested === 0) return current;
  return current === 0 ? requested : Math.min(current, requested);
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

/** Bytes, with or without a unit of Loki's configuration. */
function bytesOf(name: string, value: unknown): number {
  const bytes = typeof value === 'string' ? parseBinaryBytes(value) : value;
  if (typeof bytes !== 'number' || !(bytes >= 0)) throw bad(header, name);
  return bytes;
}

function countOf(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw bad(header, name);
  return value;
}

function bad(header: string, name: string): Error {
  return badRequest(`${header}: ${name} has no valid value`);
}
