/** Protects answers while owners of a partition fail, and what is said when the store has lost something. */
import { Catalog, PartitionCatalog } from '@loki/catalog';
import type { HiddenRows, SegmentRef } from '@loki/catalog';
import { Labels, loadHash, LokiError, parseTenantId } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import { emptyLeafStats } from '@loki/ports';
import type {
  HeadAnswer,
  IngesterService,
  LeafRequest,
  LeafResult,
  Logger,
  StreamVolume,
  Workers,
} from '@loki/ports';
import { InlineWorkers } from '@loki/runtime';
import { encodeSegment, RowWriter } from '@loki/segment';
import { Querier } from './querier.ts';
import type { QuerierDeps } from './querier.ts';

beforeAll(loadHash);

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const tenant = parseTenantId('acme');
const request = { tenant, selector: '{a="b"}', startNs: 0n, endNs: 10n };

function owner(answer: () => Promise<HeadAnswer<readonly StreamVolume[]>>): IngesterService {
  return { headStreams: answer } as unknown as IngesterService;
}

const failing = (code: ErrorCode) => owner(() => Promise.reject(new LokiError(code, `is ${code}`)));
const answering = owner(() =>
  Promise.resolve({ committedOffset: 0, result: [{ labels: [['a', 'b']], bytes: 1, entries: 1 }] } as never),
);

async function querierOf(
  owners: readonly IngesterService[],
  segments: readonly SegmentRef[] = [],
  more: Partial<QuerierDeps> = {},
) {
  const objectStore = new MemoryObjectStore();
  const catalog = new Catalog({ objectStore, logger, partitionCount: 1 });
  await catalog.refresh();
  if (segments.length > 0) catalog.segmentsFor = () => segments;
  return new Querier({
    ingesters: { partitions: () => [0], owners: () => owners },
    catalog,
    workers: new InlineWorkers({ objectStore, cache: new Map(), cacheBytesMax: 0 }),
    logger,
    ...more,
  });
}

test.each<ErrorCode>(['unavailable', 'overloaded', 'internal', 'corrupt', 'timeout'])(
  'an owner whose answer is %s is passed over for the next one',
  async (code) => {
    const querier = await querierOf([failing(code), answering]);
    await expect(querier.streams(request)).resolves.toHaveLength(1);
  },
);

test('what the query is to blame for is not asked again, and without any owner the query fails', async () => {
  const result = await querierOf([failing('badRequest'), answering]);
  await expect(result.streams(request)).rejects.toMatchObject({ code: 'badRequest' });
  const alone = await querierOf([failing('internal')]);
  await expect(alone.streams(request)).rejects.toMatchObject({ code: 'internal' });
  const nobody = await querierOf([]);
  await expect(nobody.streams(request)).rejects.toMatchObject({ code: 'unavailable' });
});

test('a segment that the catalog names and the store has lost is damage, not a wrong address', async () => {
  const missing = {
    key: 'segments/0/0-1-x',
    partition: 0,
    startOffset: 0,
    endOffset: 1,
    minNs: 0n,
    maxNs: 5n,
  };
  const querier = await querierOf([answering], [missing as unknown as SegmentRef]);
  await expect(querier.streams(request)).rejects.toMatchObject({
    code: 'corrupt',
    message: 'segment segments/0/0-1-x is not in the store',
  });
});

test('segments of one thread take one message, and the missing one of them is named', async () => {
  const segments = Array.from({ length: 6 }, (_, i) => ({
    key: `segments/0/${i}-${i}-x`,
    partition: 0,
    startOffset: i,
    endOffset: i,
    minNs: 0n,
    maxNs: 5n,
    sizeBytes: 10,
  })) as unknown as SegmentRef[];
  const objectStore = new MemoryObjectStore();
  const writer = new RowWriter(tenant);
  writer.beginRun(Labels.fromPairs([['a', 'b']]));
  writer.addRowText(0, 1, 'line');
  writer.endRun();
  const bytes = encodeSegment(writer.finish(), { kind: 'flushed' });
  for (const { key } of segments) await objectStore.put(key, bytes);
  const inline = new InlineWorkers({ objectStore, cache: new Map(), cacheBytesMax: 0 });
  let messages = 0;
  const workers: Workers = {
    parallelism: 2,
    run: (task, input, options) => {
      messages++;
      return inline.run(task, input, options);
    },
    close: () => inline.close(),
  };
  const heads = owner(() => Promise.reject(new Error('not asked')));
  const querier = await querierOf([heads], segments, { workers, reads: 'store' });
  const count: LeafRequest = {
    kind: 'samples',
    tenant,
    expr: 'count_over_time({a="b"}[1ms])',
    startNs: 5n,
    endNs: 5n,
    stepNs: 0n,
    seriesMax: 0,
  };
  expect(await querier.runLeaf(count)).toMatchObject({
    series: [{ columns: [new Float64Array([6])] }],
    stats: { segments: 6 },
  });
  expect(messages).toBe(2);
  await objectStore.delete(segments[4].key);
  await expect(querier.runLeaf(count)).rejects.toMatchObject({
    code: 'corrupt',
    message: `segment ${segments[4].key} is not in the store`,
  });
});

test('a segment that was removed since the catalog was read is no damage: the question is repeated', async () => {
  const objectStore = new MemoryObjectStore();
  const writer = new PartitionCatalog({ objectStore, partition: 0 });
  const sections = [{ tenant, minNs: 0n, maxNs: 5n, rowCount: 1, lineBytes: 1 }];
  const segment = { key: 'segments/0/0-1-x', sizeBytes: 10, level: 0, sections };
  const flush = { startOffset: 0, endOffset: 1, segment, writers: [], drops: [], erased: [], createdMs: 1 };
  await writer.commit(flush);
  const catalog = new Catalog({ objectStore, logger, partitionCount: 1 });
  await catalog.refresh();
  await writer.drop({ drops: [{ key: segment.key, tenants: [] }], createdMs: 2 });
  const atEnd = owner(() => Promise.resolve({ committedOffset: 1, result: [] }));
  const querier = await querierOf([atEnd], [], { catalog });
  await expect(querier.streams(request)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(querier.streams(request)).resolves.toEqual([]);
});

test('partitions that were added are asked, too, and those that are known do not wait for the store', async () => {
  const store = Promise.withResolvers<void>();
  let partitions = [0];
  const asked: number[] = [];
  const head = {
    headStreams: async (partition: number) => {
      asked.push(partition);
      return { committedOffset: 0, result: [] };
    },
  } as unknown as IngesterService;
  const ingesters = { partitions: () => partitions, owners: () => [head], current: () => store.promise };
  const objectStore = new MemoryObjectStore();
  const catalog = new Catalog({ objectStore, logger, partitionCount: 2 });
  await catalog.refresh();
  const querier = await querierOf([], [], { ingesters, catalog });
  const answer = querier.streams(request);
  expect(asked).toEqual([0]);
  partitions = [0, 1];
  store.resolve();
  await answer;
  expect(asked).toEqual([0, 1]);
});

describe('bounds of heads', () => {
  const leaf: LeafRequest = {
    kind: 'log',
    tenant,
    expr: '{a="b"}',
    startNs: 0n,
    endNs: 10n,
    direction: 'forward',
    limit: 10,
  };

  /** A querier of one partition; its head, and the offsets to which its catalog was read. */
  async function world() {
    const asked: LeafRequest[] = [];
    const head: IngesterService = {
      queryHead: (_: number, request: LeafRequest) => {
        asked.push(request);
        return Promise.resolve({ committedOffset: 9, result: emptyLog() });
      },
      headBounds: () => Promise.resolve([{ partition: 0, committedOffset: 7, oldestNs: 10n }]),
    } as unknown as IngesterService;
    const refreshed: number[] = [];
    const read: unknown[] = [];
    const catalog = {
      refreshTo: async (_: number, offset: number) => void refreshed.push(offset),
      segmentsFor: (...args: unknown[]) => {
        read.push(args[3]);
        return [];
      },
    } as unknown as Catalog;
    return { querier: await querierOf([head], [], { catalog }), asked, refreshed, read };
  }

  test('a head without rows of the leaf is not asked: its partition is read up to the offset stated', async () => {
    const { querier, asked, refreshed, read } = await world();
    const heads = await querier.heads(tenant);
    await querier.runLeaf({ ...leaf, heads });
    await querier.runLeaf({ ...leaf, heads: [{ ...heads[0], oldestNs: undefined }] });
    expect(asked).toEqual([]);
    expect(refreshed).toEqual([7, 7]);
    expect(read).toEqual([new Map([[0, 7]]), new Map([[0, 7]])]);
  });

  test('a head with rows of the leaf is asked, and one that is not listed', async () => {
    const { querier, asked, refreshed } = await world();
    await querier.runLeaf({ ...leaf, heads: [{ partition: 0, committedOffset: 7, oldestNs: 9n }] });
    await querier.runLeaf({ ...leaf, heads: [{ partition: 5, committedOffset: 7, oldestNs: undefined }] });
    expect(asked).toEqual([leaf, leaf]);
    expect(refreshed.filter((offset) => offset === 9)).toHaveLength(2);
  });

  test('an owner that does not state bounds leaves its partitions out', async () => {
    const silent = { headBounds: () => Promise.reject(new LokiError('unavailable', 'away')) };
    const querier = await querierOf([silent as unknown as IngesterService]);
    await expect(querier.heads(tenant)).resolves.toEqual([]);
    const former = await querierOf([{} as IngesterService]);
    await expect(former.heads(tenant)).resolves.toEqual([]);
  });
});

describe('half an answer', () => {
  const missing = {
    key: 'segments/0/0-1-x',
    partition: 0,
    startOffset: 0,
    endOffset: 1,
    minNs: 0n,
    maxNs: 5n,
  } as unknown as SegmentRef;

  test('query_store_only needs no ingester', async () => {
    const querier = await querierOf([], [], { reads: 'store' });
    await expect(querier.streams(request)).resolves.toEqual([]);
    // But the store it needs.
    const damaged = await querierOf([answering], [missing], { reads: 'store' });
    await expect(damaged.streams(request)).rejects.toMatchObject({ code: 'corrupt' });
  });

  test('query_ingester_only needs no store', async () => {
    const querier = await querierOf([answering], [missing], { reads: 'heads' });
    await expect(querier.streams(request)).resolves.toHaveLength(1);
    const nobody = await querierOf([], [], { reads: 'heads' });
    await expect(nobody.streams(request)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('of heads alone leaves out what is known to be deleted, when the store cannot be asked for more', async () => {
    const requests: LeafRequest[] = [];
    const head = {
      queryHead: (_: number, leaf: LeafRequest) => {
        requests.push(leaf);
        return Promise.resolve({ committedOffset: 0, result: emptyLog() });
      },
    } as unknown as IngesterService;
    const request = { expr: '{a="b"}', startNs: 0n, endNs: 5n };
    const hidden = {
      current: () => Promise.reject(new LokiError('unavailable', 'the store is away')),
      apply: (leaf: LeafRequest) => ({ ...leaf, deletes: [request] }),
    } as unknown as HiddenRows;
    const leaf: LeafRequest = {
      kind: 'log',
      tenant,
      expr: '{a="b"}',
      startNs: 0n,
      endNs: 10n,
      direction: 'forward',
      limit: 10,
    };
    const querier = await querierOf([head], [missing], { reads: 'heads', hidden });
    await expect(querier.runLeaf(leaf)).resolves.toMatchObject({ kind: 'log' });
    expect(requests).toMatchObject([{ deletes: [request] }]);
  });
});

function emptyLog(): LeafResult {
  return {
    kind: 'log',
    labelSets: [],
    labelSet: new Uint32Array(),
    timestampNs: new BigInt64Array(),
    lineEnds: new Uint32Array(),
    lines: new Uint8Array(),
    stats: emptyLeafStats(),
  };
}
