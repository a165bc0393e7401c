/** The rings that this process watches or belongs to. */
import type { Config, MemberRingConfig, RingStoreConfig } from '@loki/config';
import type { Clock, Logger, Random, RingStore, Timers } from '@loki/ports';
import { RingMember, RingView, WorkShare } from '@loki/ring';
import { MemoryRingStore, RedisRingStore } from '@loki/ring-store';
import { JoinedRingStore, RpcChannel, serveRingStore } from '@loki/rpc';
import type { RpcServer } from '@loki/rpc';
import { NodeClock } from '@loki/runtime';
import { countHeartbeat, measuredRingStore } from '@loki/telemetry';
import type { Metrics } from '@loki/telemetry';
import { patiently } from '../stores/patiently.ts';
import type { Patience } from '../stores/patiently.ts';
import { instanceAddressOf, instanceIdOf } from './addresses.ts';
import { ringMetricNames } from './ring-pages.ts';
import type { RingSource } from './ring-pages.ts';

interface RingsDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly rpc: RpcServer;
  /** Called with the missing service that the start waits for; undefined: none. */
  readonly onMissing: (text: string | undefined) => void;
}

/** Rings by Loki's names; `query-frontend` is our own. */
export type RingName = 'ring' | 'distributor' | 'query-frontend' | 'compactor' | 'ruler';

const metricNames: Readonly<Record<RingName, string>> = {
  ring: ringMetricNames.ring,
  distributor: ringMetricNames.distributorRing,
  'query-frontend': ringMetricNames.schedulerRing,
  compactor: ringMetricNames.compactorRing,
  ruler: ringMetricNames.rulerRing,
};

/** Heartbeat timeouts after which silent members are removed, as Loki does. */
const forgetTimeouts = 10;
/** Ingesters send heartbeats more often than others: their partitions wait for them. */
const ingesterHeartbeatMs = 5_000;

/** Rings whose members own work. */
const owning: readonly RingName[] = ['ring', 'compactor', 'ruler'];

/** The rings that this process watches, and those that it is a member of. */
export class Rings {
  /** Name of this process, unless a ring's own block has another. */
  readonly id: string;
  readonly #deps: RingsDeps;
  readonly #stores: RingStores;
  readonly #views = new Map<RingName, RingView>();
  readonly #members = new Map<RingName, RingMember>();

  constructor(world: RingsDeps) {
    this.#deps = world;
    this.id = instanceIdOf(world.config.ring);
    this.#stores = new RingStores(world);
  }

  /** The ring as this process sees it; watched from the first call on. */
  async view(name: RingName): Promise<RingView> {
    let view = this.#views.get(name);
    if (!view) {
      const { clock, timers, logger } = this.#deps;
      const config = this.#configOf(name);
      view = new RingView({
        ...this.#stores.of(config),
        key: this.#key(name),
        clock,
        timers,
        logger,
        heartbeatTimeoutMs: config.heartbeatTimeoutMs,
        pollMs: Math.min(5_000, config.heartbeatPeriodMs),
      });
      this.#views.set(name, view);
      await this.#stores.reach(config, this.#key(name));
      await view.start();
    }
    return view;
  }

  /** The name of this process in a ring, also before it joins. */
  idIn(name: RingName): string {
    return instanceIdOf(this.#configOf(name));
  }

  /** This process's share of a ring's work. */
  async share(name: RingName): Promise<WorkShare> {
    return new WorkShare(await this.view(name), this.idIn(name));
  }

  /** A ring for its page; undefined: this process does not watch it. */
  source(name: RingName): RingSource | undefined {
    const view = this.#views.get(name);
    if (!view) return undefined;
    const { logger, clock, timers, random } = this.#deps;
    return {
      ring: () => view.ring,
      forget: async (id) => {
        // Any member may remove another; a process that is no member borrows the function of one.
        const member =
          this.#members.get(name) ??
          new RingMember({
            store: this.#stores.of(this.#configOf(name)).store,
            key: this.#key(name),
            clock,
            timers,
            random,
            logger,
            id: this.idIn(name),
            address: '',
          });
        await member.forget(id);
      },
    };
  }

  /** Registers this process in a ring, and keeps it registered. */
  async join(name: RingName, rpcPort: number): Promise<void> {
    const { config, clock, timers, random, logger, metrics } = this.#deps;
    const own = this.#configOf(name);
    const { heartbeatPeriodMs, heartbeatTimeoutMs } = own;
    // A member that owns nothing is only counted and called: it needs one token.
    const tokenCount = owning.includes(name) ? own.tokens : 1;
    const member = new RingMember({
      store: this.#stores.of(own).store,
      key: this.#key(name),
      clock,
      timers,
      random,
      logger,
      id: this.idIn(name),
      address: instanceAddressOf(config, own, rpcPort),
      zone: own.zone,
      heartbeatMs: name === 'ring' ? Math.min(ingesterHeartbeatMs, heartbeatPeriodMs) : heartbeatPeriodMs,
      tokenCount,
      view: await this.view(name),
      onHeartbeat: () => countHeartbeat(metrics, metricNames[name]),
      ...(name !== 'ring' || config.ingester.autoforgetUnhealthy
        ? { autoForgetMs: forgetTimeouts * heartbeatTimeoutMs }
        : {}),
    });
    this.#members.set(name, member);
    await member.start();
    await member.activate();
  }

  /** This process as a member of a ring; undefined: it is none. */
  member(name: RingName): RingMember | undefined {
    return this.#members.get(name);
  }

  /** Leaves all rings; this process keeps answering for now. */
  async leave(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.leave()));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.stop()));
    for (const view of this.#views.values()) view.stop();
    await this.#stores.close();
  }

  #key(name: RingName): string {
    return `${this.#configOf(name).prefix}${name}`;
  }

  #configOf(name: RingName): MemberRingConfig {
    const { config } = this.#deps;
    if (name === 'compactor') return config.compactor.ring;
    if (name === 'ruler') return config.ruler.ring;
    return config.ring;
  }
}

/** A store of rings, with the monotonic time of its last accepted write; undefined: none. */
interface OpenRingStore {
  readonly store: RingStore;
  readonly lastWriteMs: () => number | undefined;
  /** Resolves when it has answered. */
  reached?: Promise<void>;
}

/** Stores of rings: one for all rings, unless their blocks name others. */
class RingStores {
  readonly #deps: RingsDeps;
  readonly #open = new Map<string, OpenRingStore>();
  readonly #stopping = new AbortController();
  #memory: OpenRingStore | undefined;

  constructor(world: RingsDeps) {
    this.#deps = world;
    // A process that holds rings in memory serves them, even without a ring of its own: other processes may
    // be configured to join here.
    if (world.config.ring.store !== 'redis') this.#lent();
  }

  of({ store, redis, joinMembers }: RingStoreConfig): OpenRingStore {
    if (store === 'memory') return this.#lent();
    const name = JSON.stringify(store === 'redis' ? redis : joinMembers);
    let openStore = this.#open.get(name);
    if (!openStore) {
      openStore =
        store === 'redis'
          ? this.#observed(openRedis(this.#deps, redis), 'redis')
          : this.#observed(openJoined(this.#deps, joinMembers), 'memberlist');
      this.#open.set(name, openStore);
    }
    return openStore;
  }

  /**
   * Waits once for a store that is a service: without it a starting process would see itself as the only
   * member. Later outages are tolerated.
   */
  async reach(config: RingStoreConfig, key: string): Promise<void> {
    if (config.store !== 'redis') return;
    const openStore = this.of(config);
    openStore.reached ??= patiently(
      'Redis, which keeps the rings',
      () => openStore.store.entries(key),
      this.#patience(),
    ).then(() => undefined);
    await openStore.reached;
  }

  #patience(): Patience {
    const { timers, random, logger, onMissing } = this.#deps;
    return { timers, random, logger, onMissing, signal: this.#stopping.signal };
  }

  async close(): Promise<void> {
    this.#stopping.abort(new Error('the process stops'));
    await Promise.all([...this.#open.values()].map(({ store }) => store.close()));
    await this.#memory?.store.close();
  }

  #observed(inner: RingStore, kind: string): OpenRingStore {
    const { metrics, clock } = this.#deps;
    const store = measuredRingStore(inner, metrics, { kind, clock });
    let lastWriteMs: number | undefined;
    return {
      lastWriteMs: () => lastWriteMs,
      store: {
        entries: (key) => store.entries(key),
        get: (key, id) => store.get(key, id),
        put: async (entry) => {
          await store.put(entry);
          lastWriteMs = clock.monotonicMs();
        },
        remove: (key, id, value) => store.remove(key, id, value),
        watch: (key, onNews) => store.watch(key, onNews),
        close: () => store.close(),
      },
    };
  }

  #lent(): OpenRingStore {
    if (!this.#memory) {
      this.#memory = this.#observed(new MemoryRingStore(), 'inmemory');
      serveRingStore(this.#deps.rpc, this.#memory.store);
    }
    return this.#memory;
  }
}

function openRedis({ timers, random, logger }: RingsDeps, redis: RingStoreConfig['redis']): RingStore {
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

function openJoined({ config, timers }: RingsDeps, members: readonly string[]): RingStore {
  const deps = {
    clock: new NodeClock(),
    tls: config.rpcClients.ringStore,
    token: config.server.grpcAuthToken,
  };
  return new JoinedRingStore(
    members.map((address) => new RpcChannel(withPort(address), deps)),
    timers,
  );
}

function withPort(address: string): string {
  return /:\d+$/.test(address) ? address : `${address}:9095`;
}
