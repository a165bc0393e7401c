/** Metrics of HTTP and gRPC servers: step *admit*. */
import { commonMetrics } from './common-metrics.ts';
import type { HistogramSeries } from './histogram.ts';
import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** Seconds, as the mixin's rules expect them. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];
/** 1 KiB to 256 MiB. */
const messageBuckets = exponentialBuckets(1024, 4, 10);

/** One request that was served. */
interface ServedRequest {
  readonly method: string;
  readonly route: string;
  /** HTTP status, or for gRPC `success`, `error` or a code. */
  readonly statusCode: string;
  readonly isWebSocket: boolean;
  readonly seconds: number;
  /** undefined: unknown; it is not counted. */
  readonly requestBytes?: number;
  readonly responseBytes?: number;
}

/** Counts of HTTP and gRPC servers. */
export interface ServerMetrics {
  started(method: string, route: string): void;
  served(request: ServedRequest): void;
  connections(protocol: 'http' | 'grpc', change: 1 | -1): void;
  /** A connection was refused, because the process has as many as it may have. */
  connectionRefused(): void;
  /** A request failed by an unexpected error: alerts are based on this counter. */
  panicked(): void;
}

/** The series of one method on one route. */
interface RouteSeries {
  inflight: number;
  readonly requestBytes: HistogramSeries;
  readonly responseBytes: HistogramSeries;
  /** By status code and whether it was a WebSocket. */
  readonly durations: Map<string, HistogramSeries>;
}

/** The metrics of HTTP and gRPC servers under Loki's names. The series of a route are looked up once. */
export function serverMetrics(metrics: Metrics): ServerMetrics {
  const duration = metrics.fastHistogram(
    'loki_request_duration_seconds',
    'Time (in seconds) spent serving HTTP and gRPC requests.',
    durationBuckets,
  );
  const requestBytes = metrics.fastHistogram(
    'loki_request_message_bytes',
    'Size (in bytes) of messages received in the request.',
    messageBuckets,
  );
  const responseBytes = metrics.fastHistogram(
    'loki_response_message_bytes',
    'Size (in bytes) of messages sent in response.',
    messageBuckets,
  );
  const common = commonMetrics(metrics);
  const byMethod = new Map<string, Map<string, RouteSeries>>();
  metrics.gauge('loki_inflight_requests', 'Requests being served.', ['method', 'route'], (gauge) => {
    for (const [method, routes] of byMethod) {
      for (const [route, series] of routes) gauge.set({ method, route }, series.inflight);
    }
  });
  const connections = metrics.gauge('loki_tcp_connections', 'Accepted TCP connections.', ['protocol']);
  const refused = metrics.counter(
    'loki_http_connections_refused_total',
    'HTTP connections that were refused because as many were open as the process may have.',
  );

  function seriesOf(method: string, route: string): RouteSeries {
    let routes = byMethod.get(method);
    if (routes === undefined) byMethod.set(method, (routes = new Map<string, RouteSeries>()));
    let series = routes.get(route);
    if (series === undefined) {
      series = {
        inflight: 0,
        requestBytes: requestBytes.series({ method, route }),
        responseBytes: responseBytes.series({ method, route }),
        durations: new Map(),
      };
      routes.set(route, series);
    }
    return series;
  }

  return {
    started: (method, route) => void seriesOf(method, route).inflight++,
    served(request) {
      const { method, route, statusCode } = request;
      const series = seriesOf(method, route);
      const ws = request.isWebSocket ? 'true' : 'false';
      const key = request.isWebSocket ? `ws ${statusCode}` : statusCode;
      let observed = series.durations.get(key);
      if (observed === undefined) {
        observed = duration.series({ method, route, status_code: statusCode, ws });
        series.durations.set(key, observed);
      }
      series.inflight--;
      observed.observe(request.seconds);
      if (request.requestBytes !== undefined) series.requestBytes.observe(request.requestBytes);
      if (request.responseBytes !== undefined) series.responseBytes.observe(request.responseBytes);
    },
    connections: (protocol, change) => connections.inc({ protocol }, change),
    connectionRefused: () => refused.inc({}, 1),
    panicked: () => common.panic(),
  };
}
