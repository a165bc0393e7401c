import type { Config } from '@loki/config';
import type { Clock, Logger, Random, RingStore, Timers } from '@loki/ports';
import { RingMember, RingView } from '@loki/ring';
import { MemoryRingStore, RedisRingStore } from '@loki/ring-store';
import { JoinedRingStore, RpcChannel, serveRingStore } from '@loki/rpc';
import type { RpcServer } from '@loki/rpc';
import { instanceIdOf } from './addresses.ts';
import type { RingSource } from './ring-pages.ts';

export interface RingWorld {
  readonly config: Config;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly rpc: RpcServer;
}

/** Rings by the names that Loki gives them; ours is the one of query frontends. */
export type RingName = 'ring' | 'distributor' | 'query-frontend';

/** Members silent for so many timeouts are forgotten, as Loki does where it may. */
const forgetTimeouts = 10;
/** Ingesters beat oftener than others: what they own waits for them. */
const ingesterHeartbeatMs = 5_000;

/** The rings that this process watches, and those it is a member of. */
export class Rings {
  readonly id: string;
  readonly #world: RingWorld;
  readonly #store: RingStore;
  readonly #views = new Map<RingName, RingView>();
  readonly #members = new Map<RingName, RingMember>();

  constructor(world: RingWorld) {
    this.#world = world;
    this.id = instanceIdOf(world.config);
    this.#store = openRingStore(world);
  }

  /** The ring as seen from here; watched from the first call on. */
  async view(name: RingName): Promise<RingView> {
    let view = this.#views.get(name);
    if (!view) {
      const { clock, timers, logger, config } = this.#world;
      view = new RingView({
        store: this.#store,
        key: this.#key(name),
        clock,
        timers,
        logger,
        heartbeatTimeoutMs: config.ring.heartbeatTimeoutMs,
        pollMs: Math.min(5_000, config.ring.heartbeatPeriodMs),
      });
      this.#views.set(name, view);
      await view.start();
    }
    return view;
  }

  /** For its page; undefined: this process knows nothing of that ring. */
  source(name: RingName): RingSource | undefined {
    const view = this.#views.get(name);
    if (!view) return undefined;
    const { logger, clock, timers, random } = this.#world;
    return {
      ring: () => view.ring,
      forget: async (id) => {
        // Any member may strike out another; a process that is none borrows the means of one.
        const member =
          this.#members.get(name) ??
          new RingMember({
            store: this.#store,
            key: this.#key(name),
            clock,
            timers,
            random,
            logger,
            id: this.id,
            address: '',
          });
        await member.forget(id);
      },
    };
  }

  /** Registers this process, and keeps it registered. From now on others may count on it. */
  async join(name: RingName, address: string): Promise<void> {
    const { config, clock, timers, random, logger } = this.#world;
    const { heartbeatPeriodMs, heartbeatTimeoutMs } = config.ring;
    // Whoever owns nothing is only counted and called: one token will do.
    const tokenCount = name === 'ring' ? config.ring.tokens : 1;
    const member = new RingMember({
      store: this.#store,
      key: this.#key(name),
      clock,
      timers,
      random,
      logger,
      id: this.id,
      address,
      zone: config.ring.zone,
      heartbeatMs: name === 'ring' ? Math.min(ingesterHeartbeatMs, heartbeatPeriodMs) : heartbeatPeriodMs,
      tokenCount,
      view: await this.view(name),
      ...(name !== 'ring' || config.ingester.autoforgetUnhealthy
        ? { autoForgetMs: forgetTimeouts * heartbeatTimeoutMs }
        : {}),
    });
    this.#members.set(name, member);
    await member.start();
    await member.activate();
  }

  /** Others stop counting on this process, which goes on answering for now. */
  async leave(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.leave()));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.stop()));
    for (const view of this.#views.values()) view.stop();
    await this.#store.close();
  }

  #key(name: RingName): string {
    return `${this.#world.config.ring.prefix}${name}`;
  }
}

function openRingStore({ config, clock, timers, random, logger, rpc }: RingWorld): RingStore {
  const { store, redis, joinMembers } = config.ring;
  if (store === 'redis') {
    return new RedisRingStore({
      endpoints: redis.endpoint.split(',').map((endpoint) => endpoint.trim()),
      masterName: redis.masterName || undefined,
      username: redis.username || undefined,
      password: redis.password || undefined,
      db: redis.db,
      ...(redis.tlsEnabled ? { tls: { insecureSkipVerify: redis.tlsInsecureSkipVerify } } : {}),
      timeoutMs: redis.timeoutMs,
      timers,
      random,
      logger,
    });
  }
  // Whoever keeps a ring in memory lends it: others may be told to join here.
  const memory = new MemoryRingStore();
  serveRingStore(rpc, memory);
  if (store === 'memory') return memory;
  const { tls } = config.rpcClient;
  return new JoinedRingStore(
    joinMembers.map((address) => new RpcChannel(withPort(address), { clock, tls })),
    timers,
  );
}

function withPort(address: string): string {
  return /:\d+$/.test(address) ? address : `${address}:9095`;
}
