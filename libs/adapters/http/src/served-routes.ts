/** The routes that a server serves, with their handlers: step *admit*. */
import type { IncomingMessage } from 'node:http';
import { errorText } from '@loki/ports';
import type { HttpHandler, HttpResponse } from '@loki/ports';
import { methodNotAllowed } from './respond.ts';
import { cleanedPath, decodePath, Router } from './router.ts';
import type { RouteMatch } from './router.ts';
import type { RouteId } from './routes.ts';
import type { UpgradeHandler } from './web-sockets.ts';

/** The target of a request: its path and the route that serves it. */
interface RequestTarget {
  /** Below the prefix, decoded; as it came when it is not below the prefix, or does not decode. */
  readonly path: string;
  readonly queryText: string;
  /** Undefined: no route; see `unserved`. */
  readonly match: RouteMatch | undefined;
  /** The answer to a request without a route; undefined: its path is unknown. */
  readonly unserved?: HttpResponse;
}

/** Handlers by route, and the prefix before the path of each. */
export class ServedRoutes {
  readonly #prefix: string;
  readonly #router = new Router();
  readonly #handlers = new Map<RouteId, HttpHandler>();
  readonly #upgrades = new Map<RouteId, UpgradeHandler>();

  /** @param prefix '' or `/x` */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Serves a route; the last handler given wins. */
  handle(id: RouteId, handler: HttpHandler): void {
    this.#handlers.set(id, handler);
    this.#router.add(id);
  }

  /** Serves a route by WebSocket; a plain request to it is checked like an upgrade, then answered 400. */
  upgrade(id: RouteId, handler: UpgradeHandler): void {
    this.#upgrades.set(id, handler);
    this.handle(id, async (request) => {
      await handler(request);
      return errorText(400, 'Bad Request');
    });
  }

  handlerOf({ id }: RouteMatch): HttpHandler {
    return this.#handlers.get(id)!;
  }

  /** Undefined: the route has plain requests only. */
  upgradeOf({ id }: RouteMatch): UpgradeHandler | undefined {
    return this.#upgrades.get(id);
  }

  find({ url = '/', method = 'GET' }: IncomingMessage): RequestTarget {
    const { path: rawPath, queryText } = splitTarget(url);
    const decoded = decodePath(rawPath);
    // A path that does not decode matches no route.
    const local = decoded === undefined ? undefined : this.#withoutPrefix(decoded);
    const path = local ?? decoded ?? rawPath;
    const cleaned = cleanedPath(decoded ?? rawPath);
    if (cleaned !== undefined) {
      return { path, queryText, match: undefined, unserved: redirect(cleaned, queryText) };
    }
    if (local === undefined) return { path, queryText, match: undefined };
    const match = this.#router.find(method, local);
    if (match) return { path, queryText, match };
    const methods = this.#router.methodsOf(local);
    return { path, queryText, match, unserved: methods.length > 0 ? methodNotAllowed(methods) : undefined };
  }

  /** The path without the prefix; undefined when it is not below the prefix. */
  #withoutPrefix(path: string): string | undefined {
    if (this.#prefix === '') return path;
    if (!path.startsWith(`${this.#prefix}/`)) return undefined;
    return path.slice(this.#prefix.length);
  }
}

/** Path and query of a request target; proxies send whole URLs. */
function splitTarget(target: string): { path: string; queryText: string } {
  let local = target;
  if (!target.startsWith('/')) {
    const afterHost = /^https?:\/\/[^/?#]*(.*)$/i.exec(target)?.[1];
    local = afterHost === undefined || afterHost === '' ? '/' : afterHost;
  }
  const mark = local.indexOf('?');
  return mark < 0
    ? { path: local, queryText: '' }
    : { path: local.slice(0, mark), queryText: local.slice(mark + 1) };
}

function redirect(path: string, queryText: string): HttpResponse {
  const to = encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23');
  return { status: 301, headers: { location: queryText === '' ? to : `${to}?${queryText}` } };
}
