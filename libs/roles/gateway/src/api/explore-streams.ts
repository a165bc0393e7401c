/** Streams of several tenants for the routes about labels, series and volumes. */
import type { Limits } from '@loki/config';
import type { Work } from '@loki/engine';
import { printLeaf } from '@loki/logql';
import type { Matcher } from '@loki/logql';
import { dayNs, hourNs } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { QuerierService, StreamsRequest, StreamVolume, Tenancy } from '@loki/ports';
import type { QueryFrontend } from '../frontend/query-frontend.ts';

/** Streams of one tenant. */
export interface TenantStreams {
  readonly tenant: TenantId;
  readonly streams: readonly StreamVolume[];
}

/** A request about streams, the same for each tenant. */
interface TenantsRequest extends Omit<StreamsRequest, 'tenant' | 'selector'> {
  readonly matchers: readonly Matcher[];
}

interface StreamsOptions {
  readonly limits: Limits;
  readonly client: AbortSignal;
  /** True: only the existence of streams matters, so the request may be cut by time. */
  readonly isMetadata?: boolean;
}

/** Asks for the streams of each tenant that the request names, under its deadline. */
export function streamsOfTenants(
  { frontend, querier }: { readonly frontend: QueryFrontend; readonly querier: QuerierService },
  tenancy: Tenancy,
  request: TenantsRequest,
  { limits, client, isMetadata = false }: StreamsOptions,
): Promise<TenantStreams[]> {
  const { matchers, ...common } = request;
  const selector = matchers.length === 0 ? '' : printLeaf({ kind: 'log', matchers, stages: [] });
  return frontend.withDeadline(
    tenancy,
    client,
    (signal) =>
      Promise.all(
        tenancy.ids.map(async (tenant) => {
          const tenantRequest = { tenant, selector, ...common };
          const streams = isMetadata
            ? await frontend.streamsInParts(tenantRequest, querier, limits, signal)
            : await querier.streams(tenantRequest, signal);
          return { tenant, streams };
        }),
      ),
    limits,
  );
}

/** Streams that are visited between two pauses. */
const streamsPerSlice = 128;

/** Visits each stream of each tenant. */
export function* visitStreams(
  answers: readonly TenantStreams[],
  visit: (stream: StreamVolume, tenant: TenantId) => void,
): Work<void> {
  let iterations = 0;
  for (const { tenant, streams } of answers) {
    for (const stream of streams) {
      visit(stream, tenant);
      if (++iterations % streamsPerSlice === 0) yield;
    }
  }
}

/** Values that are visited between two pauses. */
const valuesPerSlice = 4096;

/** The values of each label, each once: of groups by name as well as of single streams. */
export function* valuesByLabel(
  streams: Iterable<Pick<StreamVolume, 'labels' | 'values'>>,
): Work<ReadonlyMap<string, readonly string[]>> {
  const lists = new Map<string, (readonly string[])[]>();
  let iterations = 0;
  for (const { labels, values } of streams) {
    if (++iterations % streamsPerSlice === 0) yield;
    for (const [name, value] of labels) {
      const list = values ?? [value];
      const ofName = lists.get(name);
      if (ofName) ofName.push(list);
      else lists.set(name, [list]);
    }
  }
  const all = new Map<string, readonly string[]>();
  for (const [name, ofName] of lists) all.set(name, yield* union(ofName));
  return all;
}

function* union(lists: readonly (readonly string[])[]): Work<readonly string[]> {
  if (lists.length === 1) return lists[0];
  const values = new Set<string>();
  let iterations = 0;
  for (const list of lists) {
    for (const value of list) {
      values.add(value);
      if (++iterations % valuesPerSlice === 0) yield;
    }
  }
  return [...values];
}

/** True for internal labels, which clients do not expect in answers. */
export function isHiddenLabel(name: string): boolean {
  return name === '__stream_shard__' || name === '__time_shard__';
}

/** Loki asks ingesters for the labels of all that they hold: lines of this time before the range, too. */
const heldNs = 3n * hourNs;

/**
 * Widens a range to whole days: label names and values are indexed by day. In the first hours of a day the
 * day before counts, or the labels of all lines would be gone at midnight.
 */
export function wholeDays(range: { readonly startNs: bigint; readonly endNs: bigint }) {
  const { startNs, endNs } = range;
  const heldFromNs = startNs - heldNs;
  return { startNs: heldFromNs - (heldFromNs % dayNs), endNs: endNs - (endNs % dayNs) + dayNs };
}
