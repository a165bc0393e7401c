/** Connections that carry the pushes of one tenant and nothing else: step *admit*. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** Headers of proxies. Their connections carry requests of many clients. */
const proxyHeaders = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-real-ip',
  'x-request-id',
  'forwarded',
  'via',
];

/** Connections that carried other requests as well. */
const mixed = Symbol('mixed');

/**
 * Distinguishes connections of agents from those of proxies. The next request of a proxy's connection may
 * come from any client, and must not wait because of the former one.
 */
export class ConnectionsOfOne {
  readonly #holders = new WeakMap<Duplex, string | typeof mixed>();

  /**
   * Notes a request.
   *
   * @param holder the tenant of a push; undefined: of another request
   * @returns whether all requests of the connection so far were pushes of this tenant
   */
  isOfOne({ socket, headers }: IncomingMessage, holder: string | undefined): boolean {
    const holderBefore = this.#holders.get(socket);
    if (holderBefore === undefined) {
      const isProxied = holder === undefined || proxyHeaders.some((name) => headers[name] !== undefined);
      this.#holders.set(socket, isProxied ? mixed : holder);
      return !isProxied;
    }
    if (holderBefore === holder) return true;
    if (holderBefore !== mixed) this.#holders.set(socket, mixed);
    return false;
  }
}
