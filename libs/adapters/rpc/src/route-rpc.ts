/** Calls of HTTP routes in other processes, over gRPC. */
import { LokiError } from '@loki/model';
import type { HttpHandler, HttpRequest, HttpResponse, RouteService } from '@loki/ports';
import { encodeMessage, RouteAnswer, RoutesDefinition } from '@loki/proto';
import type { RouteCall } from '@loki/proto';
import { rpcMethod } from './method.ts';
import { joinParts, parts } from './parts.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { serverStreamMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const callMethod = rpcMethod(RoutesDefinition, RoutesDefinition.methods.call);

/**
 * Adds a gRPC service that calls this process's HTTP handlers for other processes. An unknown route is
 * LokiError `notFound`.
 */
export function serveRoutes(server: RpcServer, handlers: ReadonlyMap<string, HttpHandler>): void {
  server.add(RoutesDefinition.fullName, [
    serverStreamMethod(callMethod, async function* (call, { signal }) {
      const handler = handlers.get(call.route);
      if (!handler) throw new LokiError('notFound', '404 page not found');
      const { status, headers = {}, body = '' } = await handler(requestOf(call, signal));
      const answer: RouteAnswer = {
        status,
        headers: Object.entries(headers).flat(),
        body: typeof body === 'string' ? Buffer.from(body) : body,
      };
      yield* parts([encodeMessage(RouteAnswer, answer)]);
    }),
  ]);
}

/** The routes of another process. A failure keeps its LokiError. */
export class RouteClient implements RouteService {
  readonly #channel: RpcChannel;
  readonly #deadlineMs: number;

  constructor(channel: RpcChannel, options: { readonly deadlineMs: number }) {
    this.#channel = channel;
    this.#deadlineMs = options.deadlineMs;
  }

  async call(route: string, request: HttpRequest): Promise<HttpResponse> {
    const { method, path, params, queryText, headers, body, remoteAddress, signal } = request;
    const call: RouteCall = {
      route,
      method,
      path,
      params: flat(params),
      queryText,
      headers: flat(headers),
      body,
      remoteAddress,
    };
    const stream = this.#channel.serverStream(callMethod, call, { signal, deadlineMs: this.#deadlineMs });
    const answer = RouteAnswer.decode(await joinParts(stream));
    return {
      status: answer.status,
      headers: Object.fromEntries(pairs(answer.headers)),
      body: answer.body,
    };
  }
}

function requestOf(call: RouteCall, signal: AbortSignal): HttpRequest {
  const { method, path, params, queryText, headers, body, remoteAddress } = call;
  return {
    method,
    path,
    params: new Map(pairs(params)),
    queryText,
    headers: new Map(pairs(headers)),
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    remoteAddress,
    signal,
  };
}

function flat(map: ReadonlyMap<string, string>): string[] {
  return [...map].flat();
}

function* pairs(names: readonly string[]): Generator<[string, string]> {
  for (let i = 0; i + 1 < names.length; i += 2) yield [names[i], names[i + 1]];
}
