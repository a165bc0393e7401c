/** Forwards HTTP routes over gRPC to a process that can answer them. */
import { LokiError } from '@loki/model';
import type { Clock, HttpRequest, HttpResponse, Logger, RouteService } from '@loki/ports';
import { RouteClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import { Suspects } from './suspects.ts';

interface RouteForwarderDeps {
  /** Name of the answering processes, for error texts. */
  readonly name: string;
  /** Present `host:port` of the answering processes. */
  readonly addresses: () => readonly string[];
  /** Registers a listener for changes of `addresses`. */
  readonly onChange?: (listener: () => void) => void;
  /** False: no such process is deployed, and the route does not exist. Default: true. */
  readonly isDeployed?: () => boolean;
  readonly channels: ChannelPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Deadline of one attempt. Default 10 s. */
  readonly deadlineMs?: number;
}

/** Requests that may be carried out twice: without an answer they are sent to another process. */
const repeatable = new Set(['GET', 'HEAD', 'DELETE']);

/**
 * Forwards routes that any process of a kind can answer. Tries processes that did not answer recently last. A
 * request that creates something is sent to one process only: it may have been carried out although its
 * answer was lost, and the client has to decide.
 */
export class RouteForwarder implements RouteService {
  readonly #deps: RouteForwarderDeps;
  readonly #suspects: Suspects;
  readonly #clients = new Map<string, RouteClient>();
  #turn = 0;

  constructor(deps: RouteForwarderDeps) {
    this.#deps = deps;
    this.#suspects = new Suspects(deps.clock);
    deps.onChange?.(() => {
      const addresses = new Set(deps.addresses());
      for (const address of this.#clients.keys()) if (!addresses.has(address)) this.#clients.delete(address);
      this.#suspects.keep(addresses);
      deps.channels.keep(addresses);
    });
  }

  async call(route: string, request: HttpRequest): Promise<HttpResponse> {
    const { name, logger, isDeployed } = this.#deps;
    const addresses = this.#order();
    if (addresses.length === 0) {
      if (isDeployed?.() === false) throw new LokiError('notFound', '404 page not found');
      throw new LokiError('unavailable', `no ${name} can answer this now`);
    }
    let failure: unknown;
    for (const address of addresses) {
      try {
        const answer = await this.#clientOf(address).call(route, request);
        this.#suspects.clear(address);
        return answer;
      } catch (error) {
        if (!(error instanceof LokiError) || error.code !== 'unavailable') throw error;
        this.#suspects.add(address);
        logger.warn(`a ${name} did not answer`, { address, route, err: error.message });
        failure = error;
        if (!repeatable.has(request.method)) break;
      }
    }
    throw failure;
  }

  #order(): string[] {
    const addresses = this.#deps.addresses();
    const turn = this.#turn++;
    const inTurn = addresses.map((_, i) => addresses[(i + turn) % addresses.length]);
    const isSuspect = (address: string) => Number(this.#suspects.has(address));
    return inTurn.sort((a, b) => isSuspect(a) - isSuspect(b));
  }

  #clientOf(address: string): RouteClient {
    const { channels, deadlineMs = 10_000 } = this.#deps;
    let client = this.#clients.get(address);
    if (!client) this.#clients.set(address, (client = new RouteClient(channels.to(address), { deadlineMs })));
    return client;
  }
}
