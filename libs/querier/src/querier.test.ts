import { Catalog } from '@loki/catalog';
import type { SegmentRef } from '@loki/catalog';
import { loadHash, LokiError, parseTenantId } from '@loki/model';
import type { ErrorCode } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { HeadAnswer, IngesterService, Logger, StreamVolume } from '@loki/ports';
import { InlineWorkers, NodeTimers } from '@loki/runtime';
import { Querier } from './querier.ts';

// Protects answers while owners of a partition fail, and what is said when the store has lost something.

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

async function querierOf(owners: readonly IngesterService[], segments: readonly SegmentRef[] = []) {
  const objectStore = new MemoryObjectStore();
  const catalog = new Catalog({ objectStore, timers: new NodeTimers(), logger, partitionCount: 1 });
  await catalog.refresh();
  if (segments.length > 0) catalog.segmentsFor = () => segments;
  return new Querier({
    ingesters: { partitions: () => [0], owners: () => owners },
    catalog,
    workers: new InlineWorkers({ objectStore, cache: new Map(), cacheBytesMax: 0 }),
    logger,
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
  const asked = await querierOf([failing('badRequest'), answering]);
  await expect(asked.streams(request)).rejects.toMatchObject({ code: 'badRequest' });
  const alone = await querierOf([failing('internal')]);
  await expect(alone.streams(request)).rejects.toMatchObject({ code: 'internal' });
  const nobody = await querierOf([]);
  await expect(nobody.streams(request)).rejects.toMatchObject({ code: 'unavailable' });
});

test('a segment that the catalog names and the store has lost is damage, not a wrong address', async () => {
  const lost = { key: 'segments/0/0-1-x', partition: 0, startOffset: 0, endOffset: 1, minNs: 0n, maxNs: 5n };
  const querier = await querierOf([answering], [lost as unknown as SegmentRef]);
  await expect(querier.streams(request)).rejects.toMatchObject({
    code: 'corrupt',
    message: 'segment segments/0/0-1-x is not in the store',
  });
});
