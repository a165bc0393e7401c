import type { Limits } from '@loki/config';
import { parseDuration } from '@loki/model';
import { parseByteSize } from './byte-text.ts';
import { badRequest } from './params.ts';

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

/**
 * The tenant's limits, with those of the header where they are tighter: a header never loosens one.
 *
 * @throws LokiError badRequest for a header that makes no sense
 */
export function tightenedLimits(limits: Limits, text: string | undefined): Limits {
  if (text === undefined || text === '') return limits;
  const asked = parseObject(text);
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
    if (!Array.isArray(labels) || !labels.every((each) => typeof each === 'string'))
      throw bad('requiredLabels');
    tight.requiredLabels = [...new Set([...limits.requiredLabels, ...labels])];
  }
  return tight;
}

/** 0 is no limit. */
function tighter(current: number, asked: number): number {
  if (asked === 0) return current;
  return current === 0 ? asked : Math.min(current, asked);
}

function parseObject(text: string): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest(`${header} is no JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest(`${header} is no object`);
  return new Map(Object.entries(value));
}

function durationMs(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0) return value / 1e6;
  const duration = typeof value === 'string' ? parseDuration(value) : undefined;
  if (duration === undefined || duration < 0n) throw bad(name);
  return Number(duration / 1_000_000n);
}

/** A number, or one with a unit as Loki's configuration has them. */
function bytesOf(name: string, value: unknown): number {
  const bytes = typeof value === 'string' ? parseByteSize(value) : value;
  if (typeof bytes !== 'number' || !(bytes >= 0)) throw bad(name);
  return bytes;
}

function bad(name: string): Error {
  return badRequest(`${header}: ${name} makes no sense`);
}
