/** The canary's HTTP server: metrics, suspend, resume. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Canary } from '@loki/canary';
import type { Metrics } from '@loki/telemetry';

interface Admin {
  readonly port: number;
  close(): void;
}

/** Serves `/metrics`, `/suspend` and `/resume`. */
export async function serveAdmin(
  port: number,
  { metrics, canary }: { readonly metrics: Metrics; readonly canary: Canary },
): Promise<Admin> {
  const server = http.createServer((request, response) => {
    const [path] = (request.url ?? '').split('?');
    const isKnownMethod = request.method === 'GET' || request.method === 'POST';
    if (path === '/metrics' && request.method === 'GET') {
      metrics.scrape(request.headers.accept).then(
        ({ contentType, text }) => response.writeHead(200, { 'content-type': contentType }).end(text),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    } else if (path === '/suspend' && isKnownMethod) {
      canary.suspend();
      response.writeHead(200).end('canary is suspended\n');
    } else if (path === '/resume' && isKnownMethod) {
      canary.resume();
      response.writeHead(200).end('canary is resumed\n');
    } else {
      response.writeHead(404).end('404 page not found\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
