import { exponentialBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** Seconds, as the mixin's rules expect them. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];
/** 1 KiB to 256 MiB. */
const messageBuckets = exponentialBuckets(1024, 4, 10);

/** One request that was served. */
export interface ServedRequest {
  readonly method: string;
  readonly route: string;
  /** HTTP status, or for gRPC `success`, `error` or a code. */
  readonly statusCode: string;
  readonly isWebSocket: boolean;
  readonly seconds: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** What servers of HTTP and gRPC count. */
export interface ServerMetrics {
  started(method: string, route: string): void;
  served(request: ServedRequest): void;
  connections(protocol: 'http' | 'grpc', change: 1 | -1): void;
}

export function serverMetrics(metrics: Metrics): ServerMetrics {
  const duration = metrics.histogram(
    'loki_request_duration_seconds',
    'Time (in seconds) spent serving HTTP and gRPC requests.',
    durationBuckets,
    ['method', 'route', 'status_code', 'ws'],
  );
  const inflight = metrics.gauge('loki_inflight_requests', 'Requests being served.', ['method', 'route']);
  const requestBytes = metrics.histogram(
    'loki_request_message_bytes',
    'Size (in bytes) of messages received in the request.',
    messageBuckets,
    ['method', 'route'],
  );
  const responseBytes = metrics.histogram(
    'loki_response_message_bytes',
    'Size (in bytes) of messages sent in response.',
    messageBuckets,
    ['method', 'route'],
  );
  const connections = metrics.gauge('loki_tcp_connections', 'Accepted TCP connections.', ['protocol']);
  return {
    started: (method, route) => inflight.inc({ method, route }),
    served(request) {
      const { method, route } = request;
      inflight.dec({ method, route });
      duration.observe(
        { method, route, status_code: request.statusCode, ws: request.isWebSocket ? 'true' : 'false' },
        request.seconds,
      );
      requestBytes.observe({ method, route }, request.requestBytes);
      responseBytes.observe({ method, route }, request.responseBytes);
    },
    connections: (protocol, change) => connections.inc({ protocol }, change),
  };
}

/** Counts nothing: for tests and tools. */
export const noServerMetrics: ServerMetrics = { started() {}, served() {}, connections() {} };
