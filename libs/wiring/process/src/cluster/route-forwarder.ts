import { LokiError } from '@loki/model';
import type { Clock, HttpRequest, HttpResponse, Logger, RouteService } from '@loki/ports';
import { RouteClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import { Suspects } from './suspects.ts';

interface RouteForwarderDeps {
  /** The name of those who answer, as a failure tells it. */
  readonly name: string;
  /** `host:port` of those that answer, as things stand at each call. */
  readonly addresses: () => readonly string[];
  /** Told when `addresses` may answer otherwise. */
  readonly onChange?: (listener: () => void) => void;
  /** False: nobody runs what would answer, and the route does not exist. Default: somebody should. */
  readonly isDeployed?: () => boolean;
  readonly channels: ChannelPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of one attempt. Default 10 s. */
  readonly deadlineMs?: number;
}

/** Requests that may be carried out twice: one that nobody answered is given to another. */
const repeatable = new Set(['GET', 'HEAD', 'DELETE']);

/**
 * Routes that any process of a kind answers. Those that did not answer lately are asked last. A request that
 * creates something is given to one only: it may have been carried out though its answer was lost, and who
 * sent it knows what to do.
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
      const known = new Set(deps.addresses());
      for (const address of this.#clients.keys()) if (!known.has(address)) this.#clients.delete(address);
      this.#suspects.keep(known);
      deps.channels.keep(known);
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
