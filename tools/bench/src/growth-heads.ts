/**
 * Row about heads: a query of many parts older than all heads, over a number of partitions. Costs are those
 * of the querier: requests to heads, and CPU for each part.
 */
import { Catalog } from '@loki/catalog';
import { parseTenantId } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import { emptyLeafStats } from '@loki/ports';
import type { IngesterService, LeafRequest, Logger, PartitionHead } from '@loki/ports';
import { Querier } from '@loki/querier';
import { InlineWorkers, NodeTimers } from '@loki/runtime';
import type { Measure } from './growth-judge.ts';

const judgedPartitions = 1_000;
const parts = 50;
/** Partitions of one ingester, which are asked by one call. */
const partitionsPerIngester = 10;
const hourNs = 3_600_000_000_000n;
const tenant = parseTenantId('bench');
const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

export const headMeasures: readonly Measure[] = [
  {
    name: `calls to ingesters, ${parts} parts`,
    unit: 'calls',
    bar: { costMax: judgedPartitions, atSize: judgedPartitions, exponentMax: 1, floor: 1 },
  },
  {
    name: `calls to ingesters, ${parts} parts of labels`,
    unit: 'calls',
    bar: { costMax: judgedPartitions, atSize: judgedPartitions, exponentMax: 1, floor: 1 },
  },
  {
    name: 'a part older than all heads',
    unit: 's',
    bar: { costMax: 0.005, atSize: judgedPartitions, exponentMax: 1, floor: 0.0001 },
  },
];

/** Measures one query over this many partitions. */
export async function measureHeads(partitions: number): Promise<Map<string, number>> {
  const objectStore = new MemoryObjectStore();
  const catalog = new Catalog({ objectStore, timers: new NodeTimers(), logger, partitionCount: partitions });
  await catalog.refresh();
  const ingesters = Array.from(
    { length: Math.ceil(partitions / partitionsPerIngester) },
    () => new CountedIngester(),
  );
  const querier = new Querier({
    ingesters: {
      partitions: () => Array.from({ length: partitions }, (_, i) => i),
      owners: (partition) => [ingesters[Math.floor(partition / partitionsPerIngester)]],
    },
    catalog,
    workers: new InlineWorkers({ objectStore, cache: new Map(), cacheBytesMax: 0 }),
    logger,
  });
  const heads = await querier.heads(tenant);
  const began = process.cpuUsage();
  for (let i = 0; i < parts; i++) {
    const startNs = BigInt(i) * hourNs;
    await querier.runLeaf({ ...leaf, startNs, endNs: startNs + hourNs, heads });
  }
  const { user, system } = process.cpuUsage(began);
  const calls = ingesters.reduce((sum, ingester) => sum + ingester.calls, 0);
  for (const ingester of ingesters) ingester.calls = 0;
  const bounds = await querier.heads(tenant);
  for (let i = 0; i < parts; i++) {
    const startNs = BigInt(i) * hourNs;
    const range = { startNs, endNs: startNs + hourNs };
    await querier.streams({ tenant, selector: '', ...range, purpose: 'labels', heads: bounds });
  }
  const labelCalls = ingesters.reduce((sum, ingester) => sum + ingester.calls, 0);
  return new Map([
    [`calls to ingesters, ${parts} parts`, calls],
    [`calls to ingesters, ${parts} parts of labels`, labelCalls],
    ['a part older than all heads', (user + system) / 1e6 / parts],
  ]);
}

const leaf: LeafRequest = {
  kind: 'log',
  tenant,
  expr: '{app="a"} |= "x"',
  startNs: 0n,
  endNs: hourNs,
  direction: 'forward',
  limit: 100,
};

/** Heads whose rows are all of the last hour. */
class CountedIngester implements IngesterService {
  calls = 0;

  headBounds(partitions: readonly number[]): Promise<readonly PartitionHead[]> {
    this.calls++;
    const oldestNs = BigInt(parts) * hourNs;
    return Promise.resolve(partitions.map((partition) => ({ partition, committedOffset: 0, oldestNs })));
  }

  queryHead() {
    this.calls++;
    const empty = { labelSets: [], labelSet: new Uint32Array(), timestampNs: new BigInt64Array() };
    const lines = { lineEnds: new Uint32Array(), lines: new Uint8Array() };
    const result = { kind: 'log' as const, ...empty, ...lines, stats: emptyLeafStats() };
    return Promise.resolve({ committedOffset: 0, result });
  }

  headStreams() {
    this.calls++;
    return Promise.resolve({ committedOffset: 0, result: [] });
  }

  partitions(): Promise<never> {
    throw new Error('not asked');
  }

  tail(): never {
    throw new Error('not asked');
  }

  flush(): Promise<never> {
    throw new Error('not asked');
  }
}
