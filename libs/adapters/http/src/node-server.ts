/** Node's HTTP server, plain or with TLS, that the product's server is made on: step *admit*. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { HttpServerOptions, HttpTls } from './http-server-options.ts';

/** Request line and headers together. Grafana sends whole queries in the URL. */
const headerBytesMax = 128 * 1024;

interface NodeServerHandlers {
  /** Also called for requests that wait behind others on their connection. */
  readonly onRequest: (message: IncomingMessage, response: ServerResponse) => void;
  /** Whether a request leaves HTTP: its connection goes to `onUpgrade`. */
  readonly isUpgrade: (message: IncomingMessage) => boolean;
  readonly onUpgrade: (message: IncomingMessage, stream: Duplex, head: Buffer) => void;
}

type NodeServerOptions = Pick<
  HttpServerOptions,
  'readTimeoutMs' | 'readHeaderTimeoutMs' | 'idleTimeoutMs' | 'tls'
>;

/** A server that does not listen yet. Bytes that are no HTTP request are answered by it. */
export function nodeServer(
  { readTimeoutMs, readHeaderTimeoutMs, idleTimeoutMs, tls }: NodeServerOptions,
  { onRequest, isUpgrade, onUpgrade }: NodeServerHandlers,
): Server {
  const options = {
    maxHeaderSize: headerBytesMax,
    requestTimeout: readTimeoutMs,
    headersTimeout: readHeaderTimeoutMs || readTimeoutMs,
    keepAliveTimeout: idleTimeoutMs,
    noDelay: true,
    // Without this any `Upgrade:` header (h2c, say) would take its request away from the routes.
    shouldUpgradeCallback: isUpgrade,
  };
  const server = tls
    ? createTlsServer({ ...options, ...tlsOptions(tls), handshakeTimeout: options.headersTimeout }, onRequest)
    : createServer(options, onRequest);
  if (tls?.client) {
    server.on('secureConnection', (socket: TLSSocket) => {
      // A missing certificate is accepted if none is required; one of another authority never is.
      const isGiven = Object.keys(socket.getPeerCertificate()).length > 0;
      if (isGiven && !socket.authorized) socket.destroy();
    });
  }
  // Nothing can be written to a client that failed to shake hands: its connection would stay open.
  server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
  server.on('upgrade', onUpgrade);
  server.on('clientError', refuseBytes);
  return server;
}

function tlsOptions({ cert, key, minVersion, client }: HttpTls) {
  return {
    allowHalfOpen: true,
    cert,
    key,
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(client ? { ca: client.ca, requestCert: true, rejectUnauthorized: client.isRequired } : {}),
  };
}

/** Answers bytes that are no HTTP request briefly and closes the connection. */
function refuseBytes(error: NodeJS.ErrnoException, stream: Duplex): void {
  if (error.code === 'ECONNRESET' || !stream.writable) {
    stream.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  stream.end(
    `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n${status}`,
  );
}
