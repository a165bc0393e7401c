/** Refuses state changes that a page of another site sends through an operator's browser. */
import type { IncomingMessage } from 'node:http';
import type { RouteSpec } from './routes.ts';

/**
 * Whether a browser sends a state-changing request for a page of another site. Other clients send neither
 * header. A page that is served under the server's own name counts as the server's page: operators need a
 * name that no other site can take, or a separate port.
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

/** The host of an origin; `null`, which pages without an origin send, has none. */
function hostOf(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1].toLowerCase();
}

/** Whether a request has several Host headers: a proxy may have used the other one. */
export function hasSeveralHosts({ rawHeaders }: IncomingMessage): boolean {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i].length === 4 && rawHeaders[i].toLowerCase() === 'host') count++;
  }
  return count > 1;
}
