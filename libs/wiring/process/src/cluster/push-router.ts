/** Sends pushes from a gateway to distributors: step *admit* of a written line, between processes. */
import { fnv1a32, LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, DistributorService, HttpRequest, HttpResponse, Logger, Timers } from '@loki/ports';
import type { RingView } from '@loki/ring';
import { PushClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import { Suspects } from './suspects.ts';

interface PushRouterDeps {
  readonly distributors: RingView;
  readonly channels: ChannelPool;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

/**
 * Longer than the write log's own append timeout, so its error arrives first; two attempts still fit into a
 * client's usual timeout.
 */
const pushDeadlineMs = 15_000;

/**
 * Forwards undecoded pushes to healthy distributors. A tenant's pushes go to the same distributor while it
 * keeps up, which then knows the tenant's streams and their newest entries; otherwise to the one with the
 * fewest pushes in flight. A distributor that does not answer may or may not have appended the push; it is
 * sent to another one nevertheless, because repeated entries are dropped.
 */
export class PushRouter implements DistributorService {
  readonly #deps: PushRouterDeps;
  /** Clients by address. */
  readonly #clients = new Map<string, PushClient>();
  readonly #suspects: Suspects;
  readonly #stopWatching: () => void;
  #turn = 0;

  constructor(deps: PushRouterDeps) {
    this.#deps = deps;
    this.#suspects = new Suspects(deps.clock);
    this.#stopWatching = deps.distributors.onChange((ring) => {
      // Leaving distributors still answer pending pushes, but get no new ones.
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
    for (const { address, client } of this.#order(tenant).slice(0, 2)) {
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

  /**
   * Not ready until a distributor has been seen. If all vanish later the gateway stays ready: pushes get 503,
   * queries still work.
   */
  notReady(): string | undefined {
    if (this.#deps.distributors.ring.instances.length > 0) return undefined;
    return 'Gateway not ready: no distributor in the ring';
  }

  stop(): void {
    this.#stopWatching();
    for (const client of this.#clients.values()) client.close();
  }

  #order(tenant: TenantId): { address: string; client: PushClient }[] {
    const { eligible } = this.#deps.distributors.ring;
    const turn = this.#turn++;
    const candidates = eligible.map((_, i) => {
      const { address } = eligible[(i + turn) % eligible.length];
      const client = this.#clientOf(address);
      return { address, client, inflight: client.inflight, isSuspect: this.#suspects.has(address) };
    });
    return pushOrder(tenant, candidates);
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

export interface PushCandidate {
  readonly address: string;
  /** Pushes in flight to it. */
  readonly inflight: number;
  readonly isSuspect: boolean;
}

/**
 * A tenant stays with its preferred distributor until that one has this many more pushes in flight than the
 * least loaded one.
 */
const aheadMax = 4;

/**
 * The order in which distributors are tried. All gateways prefer the same distributor for a tenant, and few
 * tenants change when distributors appear or leave (highest random weight). Other distributors follow by
 * pushes in flight; one that did not answer recently comes last.
 */
export function pushOrder<T extends PushCandidate>(tenant: TenantId, candidates: readonly T[]): T[] {
  const order = candidates.toSorted(
    (a, b) => Number(a.isSuspect) - Number(b.isSuspect) || a.inflight - b.inflight,
  );
  let preferred = order[0];
  let most = -1;
  for (const each of order) {
    const weight = fnv1a32(`${each.address}/${tenant}`);
    if (weight > most) [preferred, most] = [each, weight];
  }
  if (!preferred || preferred.isSuspect || preferred.inflight > order[0].inflight + aheadMax) return order;
  return [preferred, ...order.filter((each) => each !== preferred)];
}
