/** The ingesters of all processes, as other roles call them: by ring and over gRPC. */
import type { CatalogNewsSource, Partitions } from '@loki/catalog';
import type { Config, RpcPeer } from '@loki/config';
import type { StreamLimitOwners } from '@loki/distributor';
import { LokiError } from '@loki/model';
import type { Clock, IngesterService, Logger, PatternService, StreamLimitService, Timers } from '@loki/ports';
import type { PartitionOwners } from '@loki/querier';
import { IngesterClient, PatternsClient } from '@loki/rpc';
import type { ChannelPool } from '@loki/rpc';
import { ringCatalogNews } from './ring-catalog-news.ts';
import { RingPartitionOwners } from './ring-partition-owners.ts';
import { RingPatterns } from './ring-patterns.ts';
import { RingStreamLimitOwners } from './ring-stream-limit-owners.ts';
import type { Rings } from './rings.ts';

interface IngesterPeersDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly rings: Rings;
  /** Connections that last until this process leaves. */
  readonly channels: (peer: RpcPeer) => ChannelPool;
}

/** Services of the ingesters in the ring. With an embedded log, this process has the only one. */
export class IngesterPeers {
  readonly #deps: IngesterPeersDeps;
  #readerChannels: ChannelPool | undefined;
  /** The ingester of this process, if it runs one. */
  own: IngesterService | undefined;

  constructor(deps: IngesterPeersDeps) {
    this.#deps = deps;
  }

  /** The owners of partitions, whose heads are queried; this process's own ingester comes first. */
  async partitionOwners(partitions: Partitions): Promise<PartitionOwners> {
    const { config, rings, clock, timers } = this.#deps;
    const ingester = this.own;
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
        const news = await this.own?.catalogNews?.(numbers, signal);
        return news ? [news] : [];
      };
    }
    return ringCatalogNews({
      ingesters: await rings.view('ring'),
      channels: this.#channelsOfReaders(),
      own: () => this.own && { id: rings.id, ingester: this.own },
    });
  }

  /**
   * A function that asks every healthy ingester to flush. Silent ones are skipped: others lead their
   * partitions.
   */
  async flusher(): Promise<(signal?: AbortSignal) => Promise<void>> {
    const view = await this.#deps.rings.view('ring');
    const channels = this.#deps.channels('ingester');
    return async (signal) => {
      const there = view.ring.instances.filter(({ isHealthy }) => isHealthy);
      const addresses = new Set(there.map(({ address }) => address));
      channels.keep(addresses);
      if (addresses.size === 0) throw new LokiError('unavailable', 'no healthy ingester');
      await Promise.all([...addresses].map((each) => new IngesterClient(channels.to(each)).flush(signal)));
    };
  }

  /** The counters of tenants' streams; undefined: this process counts all of them. */
  async streamLimitOwners(
    own: StreamLimitService | undefined,
    partitions: Partitions,
  ): Promise<StreamLimitOwners | undefined> {
    const { config, rings } = this.#deps;
    if (config.writeLog.kind === 'embedded') return undefined;
    return new RingStreamLimitOwners({
      ingesters: await rings.view('ring'),
      channels: this.#deps.channels('ingester'),
      // The number at the start: all distributors must choose alike, independent of partitions that they have
      // read later.
      partitionCount: partitions.steps[0].count,
      replicationFactor: config.ring.replicationFactor,
      ...(own ? { own: { id: rings.id, service: own } } : {}),
    });
  }

  /** Patterns of lines, from this process alone or from all ingesters; undefined: none. */
  async patterns(own: PatternService | undefined): Promise<PatternService | undefined> {
    const { config, rings, logger } = this.#deps;
    if (own && config.writeLog.kind === 'embedded') return own;
    if (!config.patternIngester.enabled || !config.components.has('query-frontend')) return undefined;
    const channels = this.#deps.channels('patterns');
    const ingesters = await rings.view('ring');
    ingesters.onChange(({ instances }) => channels.keep(new Set(instances.map(({ address }) => address))));
    return new RingPatterns({
      ingesters,
      serviceOf: ({ id, address }) =>
        own && id === rings.id ? own : new PatternsClient(channels.to(address)),
      logger,
    });
  }

  /** Connections to ingesters for queries and news. */
  #channelsOfReaders(): ChannelPool {
    return (this.#readerChannels ??= this.#deps.channels('ingester'));
  }
}
