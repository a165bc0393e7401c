/** The other rulers of the ring, for APIs that show all groups: the end of the story of a rule. */
import type { TenantId } from '@loki/model';
import type { Clock, Logger, RulerService } from '@loki/ports';
import type { RingView } from '@loki/ring';
import { RulerClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import { readRuleGroups } from '@loki/ruler';
import type { RuleApiGroup, RulerPeers } from '@loki/ruler';
import { Suspects } from './suspects.ts';

interface RingRulerPeersDeps {
  readonly rulers: RingView;
  /** Id of this process, which is not asked. */
  readonly ownId: string;
  readonly channels: ChannelPool;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Time after a change of the ring during which a group may be moving, so that no ruler reports it. */
const settleMs = 15_000;

/** The other rulers of the ring. A ruler that did not answer recently is not asked, and counts as silent. */
export class RingRulerPeers implements RulerPeers {
  readonly #deps: RingRulerPeersDeps;
  readonly #suspects: Suspects;
  #changedMs: number;

  constructor(deps: RingRulerPeersDeps) {
    this.#deps = deps;
    this.#suspects = new Suspects(deps.clock);
    this.#changedMs = deps.clock.monotonicMs();
    deps.rulers.onChange((ring) => {
      this.#changedMs = deps.clock.monotonicMs();
      const addresses = new Set(ring.instances.map(({ address }) => address));
      this.#suspects.keep(addresses);
      deps.channels.keep(addresses);
    });
  }

  async groups(
    tenant: TenantId,
    signal: AbortSignal,
  ): Promise<{ groups: readonly RuleApiGroup[]; isComplete: boolean }> {
    const answers = await this.#ask(signal, async (ruler) =>
      readRuleGroups(await ruler.groups(tenant, signal)),
    );
    signal.throwIfAborted();
    const groups = answers.filter((each) => each !== undefined);
    const isSettled = this.#deps.clock.monotonicMs() - this.#changedMs > settleMs;
    return { groups: groups.flat(), isComplete: isSettled && groups.length === answers.length };
  }

  async rulesChanged(tenant: TenantId): Promise<void> {
    await this.#ask(undefined, (ruler) => ruler.rulesChanged(tenant));
  }

  /** The answers of all other rulers; undefined for silent ones. */
  #ask<T>(
    signal: AbortSignal | undefined,
    ask: (ruler: RulerService) => Promise<T>,
  ): Promise<(T | undefined)[]> {
    const { rulers, ownId, channels, logger } = this.#deps;
    const others = rulers.ring.eligible.filter(({ id }) => id !== ownId);
    return Promise.all(
      others.map(async ({ address }) => {
        if (this.#suspects.has(address)) return undefined;
        try {
          return await ask(new RulerClient(channels.to(address)));
        } catch (error) {
          if (signal?.aborted) return undefined;
          this.#suspects.add(address);
          logger.warn('a ruler did not answer', { address, err: String(error) });
          return undefined;
        }
      }),
    );
  }
}
