/** Boots a whole process of roles on the virtual world. */
import { Catalog, committedSegments, ownStore, partitionCommitters } from '@loki/catalog';
import type { PartitionCommitter } from '@loki/catalog';
import { buildLimits } from '@loki/config';
import type { Limits, LimitsSource } from '@loki/config';
import { Distributor } from '@loki/distributor';
import { Ingester, ownsAll } from '@loki/ingester';
import type { IngesterOptions } from '@loki/ingester';
import type { ObjectStore, WriteLog } from '@loki/ports';
import { Querier } from '@loki/querier';
import { Metrics, distributorMetrics, ingesterMetrics } from '@loki/telemetry';
import type { IngesterMetrics } from '@loki/telemetry';
import { VirtualProcess, VirtualWorkers, traceLogger } from '@loki/virtual';
import type { VirtualBucket, VirtualDisk } from '@loki/virtual';
import { EmbeddedWriteLog, readLogIdentity } from '@loki/write-log';
import { patiently } from './patiently.ts';
import {
  commitsAhead,
  diskThatAnswersEarly,
  logThatRepeats,
  logThatSkipsOne,
  logThatTells,
  logWithoutSequences,
  storeThatAnswersEarly,
  storeThatOverwrites,
} from './planted-bugs.ts';
import type { PlantedBug } from './planted-bugs.ts';
import type { FaultProfile } from './sim-faults.ts';
import { startShards } from './sim-shards.ts';
import type { SimStreamRates } from './sim-shards.ts';

/** The world that outlives a process. */
export interface SimWorld {
  readonly disk: VirtualDisk;
  readonly bucket: VirtualBucket;
  readonly partitionCount: number;
  /** The faults of the moment: read at each use. */
  readonly faults: () => FaultProfile;
  readonly bug: PlantedBug | undefined;
  readonly hasRival: boolean;
  readonly ingesterOptions: Partial<IngesterOptions>;
  /** Limits of a stream's rate; undefined: no seed's clients reach them. */
  readonly streamRates: SimStreamRates | undefined;
  readonly onCount: (name: SimCount, by: number) => void;
  /** The store belongs to one of several logs. Absent: there is no other log. */
  readonly owner?: SimOwner;
  /** Called at a named point in place of continuing, when the seed draws it. */
  readonly onHookCrash: (point: string) => void;
}

/** Ownership of the store by a process with a log of its own. */
interface SimOwner {
  readonly place: string;
  readonly ignoresMark: boolean;
  readonly takesForeignCommits: boolean;
  readonly onIdentity: (logId: string) => void;
  /** The process has to end at once. */
  readonly onLost: () => void;
}

/** Counts of a simulation: they prove that it reached its subjects. */
export type SimCount = 'repeats' | 'duplicates' | 'quarantined' | 'flushes' | 'flushesLost' | 'sharded';

const distributorLimits: Limits = {
  ...buildLimits(new Map(), { maxReturnedStreamErrors: 10 }),
  discoverServiceName: [],
  discoverLogLevels: false,
  rejectOldSamples: false,
};

export function limitsWith(base: Limits, rates: SimStreamRates | undefined): LimitsSource {
  const limits: Limits = rates
    ? {
        ...base,
        shardStreams: { enabled: true, desiredRateBytes: rates.desiredRateBytes },
        perStreamRateLimitBytes: rates.rateBytes,
        perStreamRateLimitBurstBytes: rates.burstBytes,
      }
    : base;
  return { forTenant: () => limits };
}

/** All roles in one process, over virtual ports: the wiring of `apps/loki`, over a scheduler. */
export class SimNode {
  readonly process: VirtualProcess;
  readonly distributor: Distributor;
  readonly ingester: Ingester;
  /** A second owner of all partitions, in a process of its own, that acts as a leader too. */
  readonly rival: { readonly process: VirtualProcess; readonly ingester: Ingester } | undefined;
  readonly querier: Querier;
  readonly catalog: Catalog;

  private constructor(
    process: VirtualProcess,
    roles: Pick<SimNode, 'distributor' | 'ingester' | 'rival' | 'querier' | 'catalog'>,
  ) {
    this.process = process;
    this.distributor = roles.distributor;
    this.ingester = roles.ingester;
    this.rival = roles.rival;
    this.querier = roles.querier;
    this.catalog = roles.catalog;
  }

  /**
   * Opens the data of the previous incarnation. Rejects when disk or store fail meanwhile: try again in a new
   * process.
   */
  static async boot(process: VirtualProcess, world: SimWorld): Promise<SimNode> {
    const { clock, timers, random } = process;
    const { partitionCount, bug } = world;
    const logger = traceLogger(process);
    const objectStore = plantInStore(world.bucket.client(process), process, bug);
    const catalog = new Catalog({ objectStore, timers, logger, partitionCount });
    await patiently(() => catalog.refresh(), process);
    const disk = world.disk.client(process);
    await own(process, objectStore, world);
    const opened = await EmbeddedWriteLog.open({
      disk: bug === 'ackBeforeSync' ? diskThatAnswersEarly(disk) : disk,
      timers,
      random: random.fork('log'),
      partitionCount,
      atLeast: Array.from({ length: partitionCount }, (_, id) => catalog.state(id).endOffset),
      logger,
      fileBytesMax: 16 << 10,
      recentBytesMaxPerPartition: random.pick([0, 4 << 10, 1 << 20]),
    });
    const writeLog = nastyLog(opened, world, process);
    const workers = new VirtualWorkers(process, objectStore);
    const ingester = startIngester(process, writeLog, world);
    let rival: SimNode['rival'];
    if (world.hasRival) {
      const rivalProcess = new VirtualProcess(process.scheduler, `${process.name}-rival`);
      rival = { process: rivalProcess, ingester: startIngester(rivalProcess, writeLog, world) };
    }
    const limits = limitsWith(distributorLimits, world.streamRates);
    const streamShards = world.streamRates ? await startShards(process, objectStore, world) : undefined;
    const distributor = new Distributor(
      {
        clock,
        timers,
        random: random.fork('distributor'),
        workers,
        writeLog,
        limits,
        logger,
        metrics: distributorMetrics(new Metrics()),
        healthyDistributors: () => 1,
        streamShards,
      },
      { lingerMs: random.pick([0, 5, 50]) },
    );
    const ids = Array.from({ length: partitionCount }, (_, id) => id);
    const owners = () => (rival && random.chance(0.5) ? [rival.ingester, ingester] : [ingester]);
    const querier = new Querier({
      ingesters: { partitions: () => ids, owners },
      catalog,
      workers,
      logger,
      opensAhead: true,
    });
    return new SimNode(process, { distributor, ingester, rival, querier, catalog });
  }

  kill(): void {
    this.process.kill();
    this.rival?.process.kill();
  }
}

/**
 * As in the product: identity of the log, mark of the store, and the end of the process when the mark moves.
 */
async function own(process: VirtualProcess, objectStore: ObjectStore, world: SimWorld): Promise<void> {
  const { owner } = world;
  if (!owner) return;
  const { clock, timers } = process;
  const logId = await readLogIdentity(world.disk.client(process), process.random.fork('identity'));
  owner.onIdentity(logId);
  if (owner.ignoresMark) return;
  await ownStore({
    objectStore,
    clock,
    timers,
    logger: traceLogger(process),
    logId,
    place: owner.place,
    storeWords: '--config FILE',
    takesStore: false,
    onLost: owner.onLost,
    pollMs: 3_000,
  });
}

/** An owner of all partitions, with a catalog of its own as each process has. */
function startIngester(process: VirtualProcess, log: WriteLog, world: SimWorld): Ingester {
  const { clock, timers, random } = process;
  const { partitionCount, bug } = world;
  const limits = limitsWith(distributorLimits, world.streamRates);
  const logger = traceLogger(process);
  const objectStore = plantInStore(world.bucket.client(process), process, bug);
  const sequences = Array.from({ length: partitionCount }, () => new Map<string, number>());
  const catalog = new Catalog({ objectStore, timers, logger, partitionCount });
  const committers = partitionCommitters({ objectStore, clock, checkpointEvery: 8 });
  const ingester = new Ingester(
    {
      clock,
      timers,
      random: random.fork('ingester'),
      workers: new VirtualWorkers(process, objectStore),
      writeLog: plantInLog(log, sequences, bug),
      objectStore,
      commits: (id) => plantInCommits(committers(id), sequences[id], bug),
      committed: committedSegments(catalog),
      logger,
      metrics: countingMetrics(world),
      limits,
      simHook: (point) => hook(point, process, world),
      ...(world.owner && !world.owner.takesForeignCommits ? { onForeignCommit: world.owner.onLost } : {}),
    },
    ownsAll(partitionCount),
    { ...world.ingesterOptions, ...(bug === 'duplicatesKept' ? { dropDuplicates: false } : {}) },
  );
  ingester.start();
  return ingester;
}

function plantInStore(store: ObjectStore, process: VirtualProcess, bug: PlantedBug | undefined): ObjectStore {
  if (bug === 'commitBeforeFlush') return storeThatAnswersEarly(store, process);
  if (bug === 'commitOverwrites') return storeThatOverwrites(store);
  return store;
}

function plantInLog(
  log: WriteLog,
  sequences: readonly Map<string, number>[],
  bug: PlantedBug | undefined,
): WriteLog {
  if (bug === 'offsetOffByOne') return logThatSkipsOne(log);
  if (bug === 'sequenceIgnored') return logWithoutSequences(log);
  if (bug === 'writersAhead') {
    return logThatTells(log, (id, record) => sequences[id].set(record.writerId, record.sequence));
  }
  return log;
}

function plantInCommits(
  commits: PartitionCommitter,
  sequences: ReadonlyMap<string, number>,
  bug: PlantedBug | undefined,
): PartitionCommitter {
  return bug === 'writersAhead' ? commitsAhead(commits, sequences) : commits;
}

/** A log that sometimes stores a record twice, and sometimes reports a stored one as failed. */
function nastyLog(log: WriteLog, world: SimWorld, process: VirtualProcess): WriteLog {
  const random = process.random.fork('nasty log');
  return logThatRepeats(log, {
    repeats: () => random.chance(world.faults().logRepeats),
    losesAnswer: () => random.chance(world.faults().logAckLost),
  });
}

/** Stops the process at a named point, or pauses it there. */
async function hook(point: string, process: VirtualProcess, world: SimWorld): Promise<void> {
  if (!process.random.chance(world.faults().hookCrash)) return;
  process.scheduler.note(`hook ${point}`);
  if (process.random.chance(0.5)) world.onHookCrash(point);
  await process.timers.sleep(process.random.float() * 1_000);
}

function countingMetrics({ onCount }: SimWorld): IngesterMetrics {
  return {
    ...ingesterMetrics(new Metrics()),
    recordRepeated: () => onCount('repeats', 1),
    duplicatesDropped: (_, rows) => onCount('duplicates', rows),
    recordQuarantined: () => onCount('quarantined', 1),
    flushed: () => onCount('flushes', 1),
    flushLost: () => onCount('flushesLost', 1),
  };
}
