/** Options of the HTTP server: step *admit*. */
import type { SecureVersion } from 'node:tls';
import type { Clock, Logger, Timers } from '@loki/ports';
import type { ServerMetrics } from '@loki/telemetry';
import type { BodyKind } from './routes.ts';

/** Address, deadlines and bounds of one HTTP server. Times are milliseconds, sizes bytes. */
export interface HttpServerOptions {
  /** '' : all interfaces. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  /** Prefix of every path; '' or `/x`. */
  readonly pathPrefix?: string;
  /** Most time from the first byte of a request to the last of its body. */
  readonly readTimeoutMs: number;
  /** Most time from the first byte to the end of the headers; 0: readTimeoutMs. */
  readonly readHeaderTimeoutMs: number;
  /** Most time for the client to accept a ready answer. */
  readonly writeTimeoutMs: number;
  /** Most time between requests on one connection. */
  readonly idleTimeoutMs: number;
  /** Clients beyond it are answered 503; 0: no limit. */
  readonly connectionsMax: number;
  readonly bodyBytesMax: Readonly<Record<BodyKind, number>>;
  /**
   * Most bytes of bodies that are received or handled, over all requests; a tenant has three quarters of it
   * at most.
   */
  readonly inflightBodyBytesMax: number;
  readonly compressResponses: boolean;
  /** Absent: plain text. */
  readonly tls?: HttpTls;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
}

/** Certificate and key of the server (PEM), and the demands on certificates of clients. */
export interface HttpTls {
  readonly cert: Buffer | string;
  readonly key: Buffer | string;
  /** Client certificates must be issued by this authority; absent: none are requested. */
  readonly client?: { readonly ca: Buffer | string; readonly isRequired: boolean };
  /** Absent: Node's default, TLS 1.2. */
  readonly minVersion?: SecureVersion;
}
