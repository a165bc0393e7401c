/** A server on a free port, and clients of it, for the tests of this library. */
import { request as httpRequest } from 'node:http';
import type { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { connect } from 'node:net';
import { jsonResponse } from '@loki/ports';
import type { HttpHandler, Logger, Timers } from '@loki/ports';
import { Metrics, serverMetrics } from '@loki/telemetry';
import { eventually } from '@loki/test-tools';
import type { HttpServerOptions } from '../http-server-options.ts';
import { HttpServer } from '../http-server.ts';

export const timers: Timers = {
  after(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  },
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
};
const clock = { nowMs: () => Date.now(), nowNs: () => 0n, monotonicMs: () => performance.now() };

export const logged: string[] = [];
const logger: Logger = {
  debug() {},
  info() {},
  warn: (message) => void logged.push(message),
  error: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
  child: () => logger,
};

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  text: string;
}

const servers: HttpServer[] = [];

export async function start(
  wire: (server: HttpServer) => void,
  options: Partial<HttpServerOptions> = {},
): Promise<{ port: number; server: HttpServer; metrics: Metrics }> {
  const metrics = new Metrics();
  const server = new HttpServer({
    address: '127.0.0.1',
    port: 0,
    readTimeoutMs: 60_000,
    readHeaderTimeoutMs: 0,
    writeTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    connectionsMax: 0,
    bodyBytesMax: { none: 0, push: 1 << 20, form: 1024, rules: 1024 },
    inflightBodyBytesMax: 1 << 21,
    compressResponses: true,
    clock,
    timers,
    logger,
    metrics: serverMetrics(metrics),
    ...options,
  });
  wire(server);
  servers.push(server);
  return { port: await server.listen(), server, metrics };
}

/** Stops what `start` has started. */
export async function stopAll(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => server.stop(100)));
  logged.length = 0;
}

export function send(
  port: number,
  path: string,
  options: {
    method?: string;
    headers?: Record<string, string>;
    body?: Buffer | string;
    /** Default: each request has a connection of its own. */
    agent?: Agent;
  } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        port,
        host: '127.0.0.1',
        path,
        method: options.method ?? 'GET',
        headers: options.headers,
        agent: options.agent ?? false,
        protocol: options.agent instanceof TlsAgent ? 'https:' : 'http:',
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const body = Buffer.concat(chunks);
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body,
            text: body.toString('utf8'),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}

/** Bytes as they are, answered until the server closes. */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

/** Pushes whose headers have arrived and whose answers have not been sent. */
export async function pushesInflight(metrics: Metrics): Promise<number> {
  const sample = /^loki_inflight_requests\{method="POST",route="loki_api_v1_push"\} (\d+)$/m;
  return Number(sample.exec(await metrics.text())?.[1] ?? 0);
}

/** Waits until a count has risen and stands still. @returns the count */
export async function standstill(count: () => number): Promise<number> {
  let last = 0;
  const isStill = () => {
    const before = last;
    last = count();
    return before > 0 && before === last;
  };
  await eventually(isStill, { everyMs: 300 });
  return last;
}

export const echo: HttpHandler = (request) =>
  jsonResponse({
    method: request.method,
    path: request.path,
    query: request.queryText,
    params: Object.fromEntries(request.params),
    body: request.body.toString('utf8'),
    headers: Object.fromEntries(request.headers),
  });
