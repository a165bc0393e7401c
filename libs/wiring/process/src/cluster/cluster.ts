/** Connects this process's roles with those of other processes, by rings and gRPC. */
import type { Partitions } from '@loki/catalog';
import type { Config, LimitsSource, RpcPeer } from '@loki/config';
import type { QueryFrontend } from '@loki/gateway';
import { ownsAll } from '@loki/ingester';
import type { OwnedPartitions } from '@loki/ingester';
import { parseTenantId } from '@loki/model';
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
import { ownedPartitions, partitionLeadership } from '@loki/ring';
import {
  ChannelPool,
  IngesterClient,
  QuerierWorker,
  serveFrontend,
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
import { IngesterPeers } from './ingester-peers.ts';
import { PushRouter } from './push-router.ts';
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

/** Time for which a process keeps answering after it has left the rings, until all others have seen it. */
const leaveMs = 1_500;

/** Kind of peer of each ring's members for forwarded routes; only rulers call query frontends. */
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
  /** The ingesters of all processes, this one's included. */
  readonly ingesters: IngesterPeers;
  #successors: Successors | undefined;
  #isLeaving = false;

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
    this.ingesters = new IngesterPeers({ ...deps, channels: (peer) => this.channels(peer) });
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
    const counted = countedIngester(ingester, this.#deps);
    this.ingesters.own = counted;
    serveIngester(this.#deps.rpc, counted);
    serveStreamLimits(this.#deps.rpc, streamCounts);
    this.#joins.push('ring');
  }

  servePatterns(patterns: PatternService): void {
    servePatterns(this.#deps.rpc, patterns);
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

  /** Leaves the rings, and waits until the others have seen it. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#deps.rings.leave();
    const ingester = this.ingesters.own;
    if (ingester) await this.#successors?.takeOverAll(await ingester.partitions());
    await Promise.all(this.#stops.map((stop) => stop()));
    for (const channels of this.#pools) channels.close();
    if (this.#deps.config.ring.store !== 'memory') await this.#deps.timers.sleep(leaveMs);
  }

  /** Connections with the configuration of these calls; they last until this process leaves. */
  channels(peer: RpcPeer): ChannelPool {
    const { timers, config } = this.#deps;
    const token = config.server.grpcAuthToken;
    // gRPC compares deadlines with the machine's time, not with the time of roles.
    const clock = new NodeClock();
    const channels = new ChannelPool({ clock, timers, tls: config.rpcClients[peer], token });
    this.#pools.push(channels);
    return channels;
  }
}
