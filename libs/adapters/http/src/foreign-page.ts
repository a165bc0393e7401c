import type { IncomingMessage } from 'node:http';
import type { RouteSpec } from './routes.ts';

/**
 * Whether a browser sends the request for a page of another site, and the route would change something by it.
 * Clients that are no browsers send neither header. A page that reaches the server under its own name passes
 * for the server's: an operator's browser needs a server name that no other can take, or a port of its own.
 */
export function isForeignChange(message: IncomingMessage, { changes }: RouteSpec): boolean {
  if (changes === undefined || (changes === 'unlessGet' && isRead(message.method))) return false;
  const { origin, host } = message.headers;
  const site = message.headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site') return true;
  return origin !== undefined && hostOf(origin) !== host?.toLowerCase();
}

function isRead(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** `null`, which pages without an origin send, has none. */
function hostOf(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1].toLowerCase();
}

/** Two hosts: a proxy may have gone by the other one. */
export function hasSeveralHosts({ rawHeaders }: IncomingMessage): boolean {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i].length === 4 && rawHeaders[i].toLowerCase() === 'host') count++;
  }
  return count > 1;
}
