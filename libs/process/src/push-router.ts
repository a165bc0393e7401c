import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, DistributorService, HttpRequest, HttpResponse, Logger, Timers } from '@loki/ports';
import type { RingView } from '@loki/ring';
import { PushClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import { Suspects } from './suspects.ts';

export interface PushRouterDeps {
  readonly distributors: RingView;
  readonly channels: ChannelPool;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** The log gives up before. Twice this is less than clients commonly wait. */
const pushDeadlineMs = 15_000;

/**
 * Forwards pushes, unparsed, to the healthy distributor with the fewest under way. One that does not answer may have
 * appended the push or not; another is given it all the same, because entries that are there already are dropped.
 */
export class PushRouter implements DistributorService {
  readonly #deps: PushRouterDeps;
  /** By address. */
  readonly #clients = new Map<string, PushClient>();
  readonly #suspects: Suspects;
  readonly #stopWatching: () => void;
  #turn = 0;

  constructor(deps: PushRouterDeps) {
    this.#deps = deps;
    this.#suspects = new Suspects(deps.clock);
    this.#stopWatching = deps.distributors.onChange((ring) => {
      // Those that leave still answer what they have, and are given nothing more.
      const eligible = new Set(ring.eligible.map(({ address }) => address));
      for (const [address, client] of this.#clients) {
        if (eligible.has(address)) continue;
        client.close();
        this.#clients.delete(address);
      }
      this.#suspects.keep(eligible);
      deps.channels.keep(eligible);
    });
  }

  async push(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    let failure: unknown = new LokiError('unavailable', 'no healthy distributor');
    for (const [address, client] of this.#order().slice(0, 2)) {
      try {
        const answer = await client.push(tenant, request);
        this.#suspects.clear(address);
        return answer;
      } catch (error) {
        if (!(error instanceof LokiError) || error.code !== 'unavailable') throw error;
        this.#suspects.add(address);
        this.#deps.logger.warn('a distributor did not answer', { address, err: error.message });
        failure = error;
      }
    }
    throw failure;
  }

  stop(): void {
    this.#stopWatching();
    for (const client of this.#clients.values()) client.close();
  }

  /** Fewest pushes under way first; equals take turns; who did not answer lately comes last. */
  #order(): [address: string, client: PushClient][] {
    const { eligible } = this.#deps.distributors.ring;
    const turn = this.#turn++;
    const clients = eligible.map((_, i): [string, PushClient] => {
      const { address } = eligible[(i + turn) % eligible.length];
      return [address, this.#clientOf(address)];
    });
    const isSuspect = (address: string) => Number(this.#suspects.has(address));
    return clients.sort((a, b) => isSuspect(a[0]) - isSuspect(b[0]) || a[1].inflight - b[1].inflight);
  }

  #clientOf(address: string): PushClient {
    let client = this.#clients.get(address);
    if (!client) {
      const { channels, timers } = this.#deps;
      client = new PushClient(channels.to(address), { timers, deadlineMs: pushDeadlineMs });
      this.#clients.set(address, client);
    }
    return client;
  }
}
