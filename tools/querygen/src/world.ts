/** Heads, store and caches with the rows of a data set, in several layouts. */
import { Catalog, PartitionCatalog, committedSegments, partitionCommitters } from '@loki/catalog';
import { Compactor, compactorDefaults } from '@loki/compactor';
import { buildLimits } from '@loki/config';
import type { Limits, LimitsSource } from '@loki/config';
import { Distributor } from '@loki/distributor';
import { Ingester, ownsAll } from '@loki/ingester';
import { parseTenantId } from '@loki/model';
import type {
  HttpRequest,
  LeafResult,
  Logger,
  ObjectStore,
  ResultsCache,
  ResultsKind,
  Workers,
  WriteLog,
} from '@loki/ports';
import { Querier } from '@loki/querier';
import { MemoryResultsCache } from '@loki/results-cache';
import { Metrics, compactorMetrics, distributorMetrics, ingesterMetrics } from '@loki/telemetry';
import {
  Prng,
  VirtualBucket,
  VirtualLog,
  VirtualProcess,
  VirtualScheduler,
  VirtualWorkers,
} from '@loki/virtual';
import { encodePush } from './data.ts';
import type { Push } from './data.ts';
import { SmallBlocks } from './layouts.ts';
import type { Layout } from './layouts.ts';

/** The places of all tenants' rows. */
export interface Standing {
  readonly headRows: number;
  readonly storedRows: number;
  /** Of stored rows. */
  readonly compactedRows: number;
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Limits of every part of a world; a variant of the frontend changes some of them. */
export const baseLimits: Limits = {
  ...buildLimits(new Map(), { maxReturnedStreamErrors: 10 }),
  discoverServiceName: [],
  discoverLogLevels: false,
  rejectOldSamples: false,
  ingestionRateBytes: 1e12,
  ingestionBurstBytes: 1e12,
  perStreamRateLimitBytes: 1e12,
  perStreamRateLimitBurstBytes: 1e12,
  shardAggregations: ['approx_topk'],
  splitQueriesByIntervalMs: 3_600_000,
  maxCacheFreshnessMs: 0,
  minShardingLookbackMs: 0,
};

const limits: LimitsSource = { forTenant: () => baseLimits };

/** Roles of one cluster over virtual ports, with a data set in it. */
export class World {
  readonly layout: Layout;
  readonly scheduler: VirtualScheduler;
  readonly process: VirtualProcess;
  readonly querier: Querier;
  readonly cachingQuerier: Querier;
  readonly #bucket: VirtualBucket;
  readonly #log: VirtualLog;
  readonly #catalog: Catalog;
  readonly #ingesters: Ingester[] = [];
  readonly #distributor: Distributor;

  private constructor(layout: Layout, seed: string) {
    const { partitionCount } = layout;
    this.layout = layout;
    this.scheduler = new VirtualScheduler(seed);
    const random = new Prng(seed);
    this.#bucket = new VirtualBucket(random.fork('bucket'));
    this.#bucket.faults = { ...this.#bucket.faults, delayMinMs: 0, delayMaxMs: 1 };
    this.#log = new VirtualLog(random.fork('log'), partitionCount);
    this.#log.faults = { ...this.#log.faults, delayMaxMs: 0.1 };
    for (let i = 0; i < layout.ingesters; i++) this.#ingesters.push(this.#startIngester(i));
    this.process = new VirtualProcess(this.scheduler, 'node');
    const { clock, timers } = this.process;
    const objectStore = this.#bucket.client(this.process);
    const workers = this.#workers(this.process, objectStore);
    this.#distributor = new Distributor(
      {
        clock,
        timers,
        random: this.process.random.fork('distributor'),
        workers,
        writeLog: this.#log.client(this.process),
        limits,
        logger: silent,
        metrics: distributorMetrics(new Metrics()),
        healthyDistributors: () => 1,
      },
      // The order of pushes is the order of their records: late rows must not be refused for it.
      { lingerMs: 0, chunkAgeMaxMs: 1e11 },
    );
    this.#catalog = new Catalog({ objectStore, timers, logger: silent, partitionCount });
    const ids = Array.from({ length: partitionCount }, (_, id) => id);
    const owners = () => (this.process.random.chance(0.5) ? this.#ingesters : this.#ingesters.toReversed());
    const deps = {
      ingesters: { partitions: () => ids, owners },
      catalog: this.#catalog,
      workers,
      logger: silent,
    };
    this.querier = new Querier(deps);
    const cache = new MemoryResultsCache({ clock, bytesMax: 1 << 22, ttlMs: 3_600_000 });
    const byKind = new Map<ResultsKind, ResultsCache>([
      ['results', cache],
      ['instant', cache],
    ]);
    this.cachingQuerier = new Querier({ ...deps, caches: { byKind, generation: () => 0, clock } });
  }

  static async build(layout: Layout, pushes: readonly Push[], seed: string): Promise<World> {
    const world = new World(layout, `${seed}/${layout.name}`);
    const steps = [...layout.steps];
    for (let i = 0; i <= pushes.length; i++) {
      while (steps.length > 0 && steps[0][0] * pushes.length <= i) await world.#act(steps.shift()![1]);
      if (i < pushes.length) await world.#push(pushes[i]);
    }
    await world.do(world.#catalog.refresh());
    // Followers take over the last commit; heads hold all rows.
    await world.scheduler.run({ untilMs: world.scheduler.nowMs + 2_000 });
    return world;
  }

  get name(): string {
    return this.layout.name;
  }

  async standing(tenants: readonly string[]): Promise<Standing> {
    let [headRows, storedRows, compactedRows] = [0, 0, 0];
    for (const tenant of tenants.map(parseTenantId)) {
      const all = { kind: 'log', tenant, expr: '{format=~".+"}', startNs: 0n, endNs: 1n << 62n, direction: 'forward', limit: 0 } as const; // prettier-ignore
      let inHead = 0;
      for (let partition = 0; partition < this.layout.partitionCount; partition++) {
        const { result } = await this.do(this.#ingesters[0].queryHead(partition, all));
        inHead += rowsOf(result);
      }
      headRows += inHead;
      storedRows += rowsOf(await this.do(this.querier.runLeaf(all))) - inHead;
      for (const { level, rowCount } of this.#catalog.segmentsFor(tenant, all.startNs, all.endNs)) {
        if (level > 0) compactedRows += rowCount;
      }
    }
    return { headRows, storedRows, compactedRows };
  }

  /** Runs the world until the work is done. */
  do<T>(work: Promise<T>): Promise<T> {
    return this.scheduler.settle(work, { eventsMax: 1_000_000 });
  }

  async #push(push: Push): Promise<void> {
    const answer = await this.do(
      this.#distributor.push(parseTenantId(push.tenant), pushRequest(encodePush(push))),
    );
    if (answer.status >= 300) throw new Error(`a push was answered ${answer.status}: ${String(answer.body)}`);
  }

  async #act(action: 'flush' | 'compact'): Promise<void> {
    if (action === 'flush') {
      // A head that has not read the pushes yet has nothing to flush.
      await this.scheduler.run({ untilMs: this.scheduler.nowMs + 2_000 });
      await this.do(this.#ingesters[0].flush());
    } else await this.#compact();
  }

  async #compact(): Promise<void> {
    const { partitionCount } = this.layout;
    const process = new VirtualProcess(this.scheduler, 'compactor');
    // A clock far after all days of the data, so that the compactor merges them completely.
    process.clock.offsetMs = 10 * 86_400_000;
    const { clock, timers, random } = process;
    const objectStore = this.#bucket.client(process);
    const catalogs = Array.from(
      { length: partitionCount },
      (_, partition) => new PartitionCatalog({ objectStore, partition }),
    );
    const compactor = new Compactor({
      objectStore,
      catalog: new Catalog({ objectStore, timers, partitionCount }),
      partitions: () => catalogs,
      clock,
      timers,
      random,
      workers: this.#workers(process, objectStore),
      logger: { ...silent, error: (message, fields) => fail(`${message} ${JSON.stringify(fields)}`) },
      metrics: compactorMetrics(new Metrics()),
      limits,
      options: { ...compactorDefaults, settleMs: 0 },
      sweeps: () => false,
    }); // prettier-ignore
    await this.do(compactor.runOnce());
    process.kill();
  }

  #startIngester(index: number): Ingester {
    const process = new VirtualProcess(this.scheduler, `ingester-${index}`);
    const { clock, timers, random } = process;
    const { partitionCount } = this.layout;
    const objectStore = this.#bucket.client(process);
    const ingester = new Ingester(
      {
        clock,
        timers,
        random: random.fork('ingester'),
        workers: this.#workers(process, objectStore),
        writeLog: this.#log.client(process) satisfies WriteLog,
        objectStore,
        commits: partitionCommitters({ objectStore, clock }),
        committed: committedSegments(new Catalog({ objectStore, timers, partitionCount })),
        logger: silent,
        metrics: ingesterMetrics(new Metrics()),
        limits,
        isLeader: () => index === 0,
      },
      ownsAll(partitionCount),
    );
    ingester.start();
    return ingester;
  }

  #workers(process: VirtualProcess, objectStore: ObjectStore): Workers {
    return new SmallBlocks(new VirtualWorkers(process, objectStore), this.layout.blockBytes);
  }
}

function rowsOf(result: LeafResult): number {
  return result.kind === 'log' ? result.timestampNs.length : 0;
}

function pushRequest(body: Buffer): HttpRequest {
  return {
    method: 'POST',
    path: '/loki/api/v1/push',
    params: new Map(),
    queryText: '',
    headers: new Map([['content-type', 'application/json']]),
    body,
    remoteAddress: '127.0.0.1',
    signal: new AbortController().signal,
  };
}

function fail(text: string): never {
  throw new Error(text);
}
