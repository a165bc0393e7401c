/** Pages of rings, as HTML and JSON. */
import type { RouteId } from '@loki/http';
import { parseForm } from '@loki/model';
import type { Clock, HttpHandler, HttpRequest, HttpResponse } from '@loki/ports';
import { partitionOwners, Ring, ringHtml, ringJson, tokensOf } from '@loki/ring';
import type { RingMemberStatus } from '@loki/telemetry';

/** Routes of rings with the titles of their pages. */
const titles = {
  ring: 'Ingester Ring Status',
  distributorRing: 'Distributor Ring Status',
  schedulerRing: 'Query Scheduler Ring Status',
  rulerRing: 'Ruler Ring Status',
  compactorRing: 'Compactor Ring Status',
  indexGatewayRing: 'Index Gateway Ring Status',
  patternRing: 'Pattern Ingester Ring Status',
} as const satisfies Partial<Record<RouteId, string>>;

export type RingRoute = keyof typeof titles;

/** The rings' names in metrics. */
export const ringMetricNames: Readonly<Record<RingRoute, string>> = {
  ring: 'ingester',
  distributorRing: 'distributor',
  schedulerRing: 'scheduler',
  rulerRing: 'ruler',
  compactorRing: 'compactor',
  indexGatewayRing: 'index-gateway',
  patternRing: 'pattern-ingester',
};

/** A ring for its page. */
export interface RingSource {
  ring(): Ring;
  /** Absent: no member can be removed, since there is only one. */
  forget?(id: string): Promise<void>;
}

interface RingPagesDeps {
  readonly clock: Clock;
  readonly rings: Partial<Record<RingRoute, RingSource>>;
  /** Partitions of the ingesters' ring; absent in processes without them. */
  readonly partitions?: { readonly count: () => number; readonly replicationFactor: number };
}

/** `/ring` and similar routes: members of a ring as HTML or JSON. */
export function ringPageHandlers(deps: RingPagesDeps): Partial<Record<RouteId, HttpHandler>> {
  const handlers: Partial<Record<RouteId, HttpHandler>> = {
    memberlist: () => ({
      status: 200,
      headers: { 'content-type': 'text/plain' },
      body: "This instance doesn't use memberlist.",
    }),
  };
  for (const [route, source] of Object.entries(deps.rings) as [RingRoute, RingSource][]) {
    handlers[route] = (request) => ringPage(request, source, titles[route], deps.clock);
  }
  const { partitions, rings } = deps;
  const ingesters = rings.ring;
  if (partitions && ingesters) {
    handlers.partitionRing = (request) => partitionPage(request, ingesters.ring(), partitions, deps.clock);
  }
  return handlers;
}

/** The ring of a single process. */
export function ringOfOne(self: {
  readonly id: string;
  readonly address: string;
  readonly zone: string;
  readonly sinceMs: number;
  readonly clock: Clock;
}): RingSource {
  const { id, address, zone, sinceMs, clock } = self;
  const tokens = tokensOf(id);
  return {
    ring: () =>
      new Ring([
        {
          id,
          address,
          zone,
          state: 'ACTIVE',
          readOnly: false,
          tokens,
          incarnation: '',
          beat: 1,
          // The answering process is alive by definition.
          heartbeatMs: clock.nowMs(),
          registeredMs: sinceMs,
          isHealthy: true,
        },
      ]),
  };
}

/** The members of each ring, by the ring's name in metrics. */
export function ringStatus(
  rings: RingPagesDeps['rings'],
  selfId: string,
): ReadonlyMap<string, readonly RingMemberStatus[]> {
  return new Map(
    Object.entries(rings).map(([route, source]) => [
      ringMetricNames[route as RingRoute],
      source.ring().instances.map(({ id, state, isHealthy, heartbeatMs, tokens }) => ({
        state: isHealthy ? state : 'Unhealthy',
        heartbeatMs,
        tokenCount: tokens.length,
        isSelf: id === selfId,
      })),
    ]),
  );
}

async function ringPage(
  request: HttpRequest,
  source: RingSource,
  title: string,
  clock: Clock,
): Promise<HttpResponse> {
  if (request.method === 'POST') {
    const id = parseForm(request).get('forget') ?? '';
    if (id !== '') await source.forget?.(id);
    return { status: 302, headers: { location: '#' } };
  }
  const nowMs = clock.nowMs();
  return wantsJson(request)
    ? json(ringJson(source.ring(), nowMs))
    : html(ringHtml(source.ring(), { title, nowMs }));
}

function partitionPage(
  request: HttpRequest,
  ring: Ring,
  { count, replicationFactor }: NonNullable<RingPagesDeps['partitions']>,
  clock: Clock,
): HttpResponse {
  const partitions = Array.from({ length: count() }, (_, id) => ({
    id,
    state: 'PartitionActive',
    owner_ids: partitionOwners(ring, id, replicationFactor),
  }));
  const now = new Date(clock.nowMs()).toISOString();
  if (wantsJson(request)) return json(JSON.stringify({ partitions, now }));
  const rows = partitions.map(
    ({ id, state, owner_ids: owners }) =>
      `<tr><td>${id}</td><td>${state}</td><td>${owners.map(escapeHtml).join('<br>')}</td></tr>`,
  );
  const title = 'Partitions Ring Status';
  return html(
    `<!DOCTYPE html><html><head><meta charset="UTF-8"><title>${title}</title></head><body><h1>${title}</h1>` +
      `<p>Current time: ${now}</p><table border="1"><thead><tr><th>Partition ID</th><th>State</th><th>Owners</th></tr>` +
      `</thead><tbody>${rows.join('')}</tbody></table></body></html>`,
  );
}

function wantsJson(request: HttpRequest): boolean {
  return (request.headers.get('accept') ?? '').includes('application/json');
}

function html(body: string): HttpResponse {
  return { status: 200, headers: { 'content-type': 'text/html' }, body };
}

function json(body: string): HttpResponse {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: `${body}\n` };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
