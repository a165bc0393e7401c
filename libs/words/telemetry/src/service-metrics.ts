/** Calls between roles, counted under the gRPC routes that Loki's dashboards name. */
import type { Clock, DistributorService, IngesterService, StreamsRequest } from '@loki/ports';
import type { ServerMetrics } from './http-metrics.ts';

interface CallDeps {
  readonly server: ServerMetrics;
  readonly clock: Clock;
}

const method = 'gRPC';
const pushRoute = '/logproto.Pusher/Push';
const queryRoutes = {
  log: '/logproto.Querier/Query',
  samples: '/logproto.Querier/QuerySample',
} as const;
const streamRoutes = {
  volume: '/logproto.Querier/GetVolume',
  labels: '/logproto.Querier/Label',
  stats: '/logproto.Querier/GetStats',
  series: '/logproto.Querier/Series',
} as const;

/** Wraps an ingester: its queries are counted when they end. */
export function countedIngester(ingester: IngesterService, deps: CallDeps): IngesterService {
  return {
    partitions: () => ingester.partitions(),
    headBounds: (partitions, tenant, signal) =>
      ingester.headBounds?.(partitions, tenant, signal) ?? Promise.resolve([]),
    ...(ingester.catalogNews && { catalogNews: (numbers, signal) => ingester.catalogNews!(numbers, signal) }),
    queryHead: (partition, request, signal) =>
      countCall(deps, queryRoutes[request.kind], () => ingester.queryHead(partition, request, signal)),
    headStreams: (partition, request, signal) =>
      countCall(deps, streamsRoute(request), () => ingester.headStreams(partition, request, signal)),
    tail: (partition, request, signal, fromOffset) => ingester.tail(partition, request, signal, fromOffset),
    flush: (signal) => ingester.flush(signal),
  };
}

function streamsRoute({ volume, purpose }: StreamsRequest): string {
  return streamRoutes[volume ? 'volume' : (purpose ?? 'series')];
}

/** Wraps a distributor: pushes from other processes are counted when they end. */
export function countedDistributor(distributor: DistributorService, deps: CallDeps): DistributorService {
  return {
    push: (tenant, request) =>
      countCall(
        deps,
        pushRoute,
        () => distributor.push(tenant, request),
        ({ status }) => status < 400,
      ),
  };
}

async function countCall<T>(
  { server, clock }: CallDeps,
  route: string,
  call: () => Promise<T>,
  isSuccess: (result: T) => boolean = () => true,
): Promise<T> {
  const startedMs = clock.monotonicMs();
  let statusCode = 'error';
  server.started(method, route);
  try {
    const result = await call();
    if (isSuccess(result)) statusCode = 'success';
    return result;
  } finally {
    const seconds = (clock.monotonicMs() - startedMs) / 1000;
    server.served({ method, route, statusCode, isWebSocket: false, seconds });
  }
}
