/** Streams and records of a head that a request selects: the newest rows of a query. */
import { compileMatcher, logExprOf, parseLeafText, rangeAggregationOf } from '@loki/logql';
import type { StringMatcher } from '@loki/logql';
import { LokiError, usOf } from '@loki/model';
import type { LeafRequest, SlicedWork, StreamsRequest } from '@loki/ports';
import type { HeadRecord } from './head-record.ts';
import type { Head } from './head.ts';
import { selectedStreams, testedMatchers } from './stream-selection.ts';

/** The selection of a request: streams, and startNs <= ts < endNs. */
export interface HeadSelection {
  readonly tenant: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly matchers: readonly StringMatcher[];
}

/** The streams of a leaf, and the time range of its entries. */
export function selectionOfLeaf(request: LeafRequest): HeadSelection {
  const expr = parseLeafText(request.expr);
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
  const matchers =
    request.selector === '' ? [] : (logExprOf(parseLeafText(request.selector))?.matchers ?? []);
  return { ...request, matchers: matchers.map(compileMatcher) };
}

/** The selection, with the verdicts of costly matchers on the streams of the head: see `testedMatchers`. */
export function* testedSelection({ streams }: Head, selection: HeadSelection): SlicedWork<HeadSelection> {
  const ofTenant = streams.tenants.get(selection.tenant);
  if (!ofTenant) return selection;
  return { ...selection, matchers: yield* testedMatchers(streams, ofTenant, selection.matchers) };
}

/** Streams of the head that the matchers select, in no order. */
export function selectStreams({ streams }: Head, { tenant, matchers }: HeadSelection): number[] {
  const ofTenant = streams.tenants.get(tenant);
  return ofTenant ? selectedStreams(streams, ofTenant, matchers) : [];
}

/**
 * Records with a run of a selected stream in the selected time, oldest first. O(runs of the tenant's selected
 * streams); a stream whose newest run is too old is skipped as a whole.
 */
export function selectRecords(head: Head, selection: HeadSelection): HeadRecord[] {
  const startUs = usOf(selection.startNs);
  const endUs = usOf(selection.endNs);
  const selected = new Set<HeadRecord>();
  const { runs } = head;
  for (const stream of selectStreams(head, selection)) {
    for (
      let run = head.newestRun(stream);
      run >= 0 && runs.newestUs(run) >= startUs;
      run = runs.previous(run)
    ) {
      if (runs.maxUs(run) >= startUs && runs.minUs(run) <= endUs) selected.add(head.recordOf(run));
    }
  }
  return selected.size === head.records.length
    ? [...head.records]
    : [...selected].sort((a, b) => a.offset - b.offset);
}
