/** Connects this process's roles with those of other processes, by rings and gRPC. */
import type { CatalogNewsSource, Partitions } from '@loki/catalog';
import type { Config, LimitsSource, RpcPeer } from '@loki/config';
import type { StreamLimitOwners } from '@loki/distributor';
import type { QueryFrontend } from '@loki/gateway';
import { ownsAll } from '@loki/ingester';
import type { OwnedPartitions } from '@loki/ingester';
import { LokiError, parseTenantId } from '@loki/model';
import type {
  Clock,
  DistributorService,
  IngesterService,
  Logger,
  PatternService,
  QuerierService,
  StreamLimitService,
  Timers,
} from '@loki/ports';
import type { PartitionOwners } from '@loki/querier';
import { ownedPartitions, partitionLeadership } from '@loki/ring';
import {
  ChannelPool,
  IngesterClient,
  QuerierWorker,
  serveFrontend,
  PatternsClient,
  serveIngester,
  servePatterns,
  servePusher,
  servePushes,
  serveStreamLimits,
} from '@loki/rpc';
import type { RpcServer } from '@loki/rpc';
import { NodeClock } from '@loki/runtime';
import { countedDistributor, countedIngester } from '@loki/telemetry';
import type { ServerMetrics } from '@loki/telemetry';
import { watchAddresses } from './addresses.ts';
import { PushRouter } from './push-router.ts';
import { ringCatalogNews } from './ring-catalog-news.ts';
import { RingPartitionOwners } from './ring-partition-owners.ts';
import { RingPatterns } from './ring-patterns.ts';
import { RingStreamLimitOwners } from './ring-stream-limit-owners.ts';
import type { RingName, Rings } from './rings.ts';
import { RouteForwarder } from './route-forwarder.ts';
import { Successors } from './successors.ts';

interface ClusterDeps {
  readonly config: Config;
  readonly limits: LimitsSource;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly rings: Rings;
  readonly rpc: RpcServer;
  readonly server: ServerMetrics;
}

/** The partitions that this process's ingester owns, and those that it leads. */
interface Ownership {
  readonly owned: OwnedPartitions;
  readonly isLeader?: (partition: number) => boolean;
  readonly takenOver?: (partition: number, signal: AbortSignal) => Promise<void>;
}

/** How long a process keeps answering after it has left the rings, until all others know. */
const leaveMs = 1_500;

/** How members of a ring are called for forwarded routes; only rulers call query frontends. */
const routesBy = {
  ring: 'ingester',
  distributor: 'distributor',
  'query-frontend': 'ruleFrontend',
  compactor: 'compactor',
  ruler: 'ruler',
} as const satisfies Record<RingName, RpcPeer>;

/** This process among others: the services of other processes, by ring and over gRPC. */
export class Cluster {
  readonly #deps: ClusterDeps;
  readonly #joins: RingName[] = [];
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #pools: ChannelPool[] = [];
  #ingester: IngesterService | undefined;
  #readerChannels: ChannelPool | undefined;
  #successors: Successors | undefined;
  #isLeaving = false;

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
  }

  /**
   * An embedded log and all its partitions belong to this process alone. The partitions of a shared log are
   * assigned by the ring; a leaving process keeps its partitions until it ends, for queries that still reach
   * it.
   */
  async ownership(partitions: Partitions): Promise<Ownership> {
    const { config, rings, clock, timers } = this.#deps;
    if (config.writeLog.kind === 'embedded') return { owned: ownsAll(partitions.owned) };
    const view = await rings.view('ring');
    const { replicationFactor } = config.ring;
    const listen = ownedPartitions(view, rings.id, { partitions, replicationFactor });
    const channels = this.channels('ingester');
    const successors = new Successors({
      ingesters: view,
      ownId: rings.id,
      replicationFactor,
      serviceOf: ({ address }) => new IngesterClient(channels.to(address)),
      clock,
      timers,
    });
    this.#successors = successors;
    return {
      takenOver: (partition, signal) => successors.takeOver(partition, signal),
      owned: (onChange) =>
        listen((partitions) => {
          if (!this.#isLeaving) onChange(partitions);
        }),
      isLeader: partitionLeadership(view, rings.id),
    };
  }

  serveIngester(ingester: IngesterService, streamCounts: StreamLimitService): void {
    this.#ingester = countedIngester(ingester, this.#deps);
    serveIngester(this.#deps.rpc, this.#ingester);
    serveStreamLimits(this.#deps.rpc, streamCounts);
    this.#joins.push('ring');
  }

  serveDistributor(distributor: DistributorService): void {
    const { config, rpc, timers } = this.#deps;
    const { maxRecvMsgBytes, maxInflightBytes } = config.distributor;
    servePushes(rpc, countedDistributor(distributor, this.#deps), {
      timers,
      bodyBytesMax: maxRecvMsgBytes,
      inflightBytesMax: maxInflightBytes || 2 * maxRecvMsgBytes,
    });
    const nobody = parseTenantId(config.noAuthTenant);
    servePusher(rpc, distributor, (ofCall) => (config.authEnabled ? ofCall() : nobody));
    this.#joins.push('distributor');
  }

  /** Lets queriers of other processes fetch this frontend's work. */
  serveFrontend(frontend: QueryFrontend): void {
    const { rpc, timers, logger } = this.#deps;
    serveFrontend(rpc, {
      timers,
      onSlot: ({ querier, querierId, isForTails, signal: querierGone }) => {
        if (isForTails) {
          frontend.serveTail(querier, querierGone);
          return;
        }
        frontend.serve(querier, querierGone, querierId).catch((error: unknown) => {
          logger.error('a slot of a querier failed', { querierId, err: String(error) });
        });
      },
    });
    this.#joins.push('query-frontend');
  }

  /** Number of healthy distributors, this one included: the divisor of a tenant's global rate. */
  async distributorCount(): Promise<() => number> {
    const view = await this.#deps.rings.view('distributor');
    return () => Math.max(1, view.ring.eligible.length);
  }

  /** The counters of tenants' streams; undefined: this process counts all of them. */
  async streamLimiters(
    own: StreamLimitService | undefined,
    partitions: Partitions,
  ): Promise<StreamLimitOwners | undefined> {
    const { config, rings } = this.#deps;
    if (config.writeLog.kind === 'embedded') return undefined;
    return new RingStreamLimitOwners({
      ingesters: await rings.view('ring'),
      channels: this.channels('ingester'),
      // The number at first: all distributors must choose alike, whatever they know of later ones.
      partitionCount: partitions.steps[0].count,
      replicationFactor: config.ring.replicationFactor,
      ...(own ? { own: { id: rings.id, service: own } } : {}),
    });
  }

  /** Patterns of lines, from this process alone or from all ingesters; undefined: none. */
  async patterns(own: PatternService | undefined): Promise<PatternService | undefined> {
    const { config, rings, rpc, logger } = this.#deps;
    if (own) servePatterns(rpc, own);
    if (own && config.writeLog.kind === 'embedded') return own;
    if (!config.patternIngester.enabled || !config.components.has('query-frontend')) return undefined;
    const channels = this.channels('patterns');
    const ingesters = await rings.view('ring');
    ingesters.onChange(({ instances }) => channels.keep(new Set(instances.map(({ address }) => address))));
    return new RingPatterns({
      ingesters,
      serviceOf: ({ id, address }) =>
        own && id === rings.id ? own : new PatternsClient(channels.to(address)),
      logger,
    });
  }

  /** A router that sends pushes to remote distributors. */
  async pushRouter(): Promise<PushRouter> {
    const { rings, clock, timers, logger } = this.#deps;
    const router = new PushRouter({
      clock,
      distributors: await rings.view('distributor'),
      channels: this.channels('distributor'),
      timers,
      logger,
    });
    this.#stops.push(async () => router.stop());
    return router;
  }

  /** The owners of partitions, whose heads are queried; this process's own ingester comes first. */
  async partitionOwners(partitions: Partitions): Promise<PartitionOwners> {
    const { config, rings, clock, timers } = this.#deps;
    const ingester = this.#ingester;
    if (ingester && config.writeLog.kind === 'embedded') {
      const numbers = Array.from({ length: partitions.asked }, (_, partition) => partition);
      return { partitions: () => numbers, owners: () => [ingester] };
    }
    return new RingPartitionOwners({
      ingesters: await rings.view('ring'),
      channels: this.#channelsOfReaders(),
      clock,
      timers,
      partitions,
      replicationFactor: config.ring.replicationFactor,
      ...(ingester ? { own: { id: rings.id, ingester } } : {}),
    });
  }

  /** News of the catalog from all ingesters, that of this process included. */
  async catalogNews(): Promise<CatalogNewsSource> {
    const { config, rings } = this.#deps;
    if (config.writeLog.kind === 'embedded') {
      return async (numbers, signal) => {
        const news = await this.#ingester?.catalogNews?.(numbers, signal);
        return news ? [news] : [];
      };
    }
    return ringCatalogNews({
      ingesters: await rings.view('ring'),
      channels: this.#channelsOfReaders(),
      own: () => this.#ingester && { id: rings.id, ingester: this.#ingester },
    });
  }

  /** Connections to ingesters for queries and news. */
  #channelsOfReaders(): ChannelPool {
    return (this.#readerChannels ??= this.channels('ingester'));
  }

  /**
   * A function that asks every healthy ingester to flush. Silent ones are skipped: others lead their
   * partitions.
   */
  async flusher(): Promise<(signal?: AbortSignal) => Promise<void>> {
    const view = await this.#deps.rings.view('ring');
    const channels = this.channels('ingester');
    return async (signal) => {
      const there = view.ring.instances.filter(({ isHealthy }) => isHealthy);
      const addresses = new Set(there.map(({ address }) => address));
      channels.keep(addresses);
      if (addresses.size === 0) throw new LokiError('unavailable', 'no healthy ingester');
      await Promise.all([...addresses].map((each) => new IngesterClient(channels.to(each)).flush(signal)));
    };
  }

  /** The querier fetches work from the configured frontends, otherwise from those in the ring. */
  async pull(querier: QuerierService): Promise<void> {
    const { config, rings, timers, logger } = this.#deps;
    const { maxConcurrent, frontendAddresses, frontendLookupMs } = config.querier;
    const worker = new QuerierWorker({
      querier,
      channels: this.channels('frontend'),
      timers,
      logger,
      querierId: rings.id,
      maxConcurrent,
    });
    const stopWatching =
      frontendAddresses.length > 0
        ? watchAddresses({
            addresses: frontendAddresses,
            periodMs: frontendLookupMs,
            timers,
            logger,
            onChange: (addresses) => worker.setFrontends(addresses),
          })
        : (await rings.view('query-frontend')).onChange((ring) => {
            worker.setFrontends(new Set(ring.eligible.map(({ address }) => address)));
          });
    this.#stops.push(async () => {
      stopWatching();
      await worker.stop();
    });
  }

  /** Makes this process a member of a ring from `join` on. */
  announce(name: RingName): void {
    this.#joins.push(name);
  }

  /** Forwards routes to the members of a ring. If no member was ever seen, the routes do not exist. */
  async forwarder(name: RingName, deadlineMs?: number): Promise<RouteForwarder> {
    const { rings, clock, logger } = this.#deps;
    const view = await rings.view(name);
    return new RouteForwarder({
      name,
      addresses: () => view.ring.eligible.map(({ address }) => address),
      onChange: (listener) => void view.onChange(listener),
      isDeployed: () => view.ring.instances.length > 0,
      channels: this.channels(routesBy[name]),
      clock,
      logger,
      deadlineMs,
    });
  }

  /** Joins the rings. Called when the gRPC port is open. */
  async join(rpcPort: number): Promise<void> {
    for (const name of this.#joins) await this.#deps.rings.join(name, rpcPort);
  }

  /** Leaves the rings, and waits until the others know. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#deps.rings.leave();
    if (this.#ingester) await this.#successors?.takeOverAll(await this.#ingester.partitions());
    await Promise.all(this.#stops.map((stop) => stop()));
    for (const channels of this.#pools) channels.close();
    if (this.#deps.config.ring.store !== 'memory') await this.#deps.timers.sleep(leaveMs);
  }

  /** Connections with the configuration of these calls; they last until this process leaves. */
  channels(peer: RpcPeer): ChannelPool {
    const { timers, config } = this.#deps;
    const token = config.server.grpcAuthToken;
    // gRPC compares deadlines with the machine's time, whatever time roles live in.
    const clock = new NodeClock();
    const channels = new ChannelPool({ clock, timers, tls: config.rpcClients[peer], token });
    this.#pools.push(channels);
    return channels;
  }
}
