import { compileMatcher, logExprOf, parseExpr, parseMatchers, rangeAggregationOf } from '@loki/logql';
import type { StringMatcher } from '@loki/logql';
import { LokiError, usOf } from '@loki/model';
import type { LeafRequest, StreamsRequest } from '@loki/ports';
import type { Head, HeadRecord, HeadStream } from './head.ts';

/** The selection of a request: streams, and startNs <= ts < endNs. */
export interface HeadSelection {
  readonly tenant: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly matchers: readonly StringMatcher[];
}

/** The streams and the time that a leaf's entries stand in. */
export function selectionOfLeaf(request: LeafRequest): HeadSelection {
  const expr = parseExpr(request.expr);
  const log = logExprOf(expr);
  if (!log) throw new LokiError('internal', `a leaf without streams: ${request.expr}`);
  const matchers = log.matchers.map(compileMatcher);
  const { tenant } = request;
  if (request.kind === 'log') return { tenant, startNs: request.startNs, endNs: request.endNs, matchers };
  const { rangeNs, offsetNs } = rangeAggregationOf(expr);
  // The sample at step t covers (t - offset - range, t - offset]: open below, closed above.
  return {
    tenant,
    startNs: request.startNs - offsetNs - rangeNs + 1n,
    endNs: request.endNs - offsetNs + 1n,
    matchers,
  };
}

export function selectionOfStreams(request: StreamsRequest): HeadSelection {
  const matchers = request.selector === '' ? [] : parseMatchers(request.selector);
  return { ...request, matchers: matchers.map(compileMatcher) };
}

/** Streams of the head that are selected by their labels, in no order. */
export function selectStreams(head: Head, { tenant, matchers }: HeadSelection): HeadStream[] {
  return head.tenants.get(tenant)?.select(matchers) ?? [];
}

/**
 * Records with a run of a selected stream in the selected time, oldest first. O(runs of the tenant's selected
 * streams); the runs of a stream are skipped whole when its newest is too old.
 */
export function selectRecords(head: Head, selection: HeadSelection): HeadRecord[] {
  const startUs = usOf(selection.startNs);
  const endUs = usOf(selection.endNs);
  const selected = new Set<HeadRecord>();
  for (const stream of selectStreams(head, selection)) {
    for (let i = stream.record.length - 1; i >= 0 && stream.newestUs[i] >= startUs; i--) {
      if (stream.maxUs[i] >= startUs && stream.minUs[i] <= endUs) selected.add(stream.record[i]);
    }
  }
  return selected.size === head.records.length
    ? [...head.records]
    : [...selected].sort((a, b) => a.offset - b.offset);
}
