/** Row about compaction: the flushes of an hour or so, which hold rows of every tenant. */
import { Catalog, partitionCommitters } from '@loki/catalog';
import { Compactor, compactorDefaults } from '@loki/compactor';
import { buildLimits } from '@loki/config';
import { Labels, loadHash } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { Logger } from '@loki/ports';
import { InlineWorkers, NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { encodeSegment, RowWriter } from '@loki/segment';
import { compactorMetrics, Metrics } from '@loki/telemetry';
import type { Measure } from './growth-judge.ts';

/** One more than a merge waits for. */
const flushes = 13;
const rowsPerFlush = 10;
const cacheBytesMax = 1 << 20;

const secondsBar = { costMax: 6, atSize: 1_000, exponentMax: 1, floor: 0.05 };

export const compactionMeasures: readonly Measure[] = [
  { name: 'compact 13 flushes', unit: 's', bar: secondsBar },
  {
    name: 'reads of flushed objects',
    unit: 'calls',
    bar: { costMax: 4 * flushes, atSize: 1_000, exponentMax: 0, floor: flushes },
  },
  {
    name: 'commits',
    unit: 'calls',
    bar: { costMax: 4, atSize: 1_000, exponentMax: 0, floor: 1 },
  },
];

const logger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error: (message, fields) => console.error(message, fields),
  child: () => logger,
};

/** Counts reads of flushed segments. */
class CountingStore extends MemoryObjectStore {
  reads = 0;

  override get(key: string, signal?: AbortSignal): Promise<Buffer> {
    this.#count(key);
    return super.get(key, signal);
  }

  override getRange(key: string, offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    this.#count(key);
    return super.getRange(key, offset, length, signal);
  }

  override getTail(
    key: string,
    length: number,
    signal?: AbortSignal,
  ): Promise<{ bytes: Buffer; sizeBytes: number }> {
    this.#count(key);
    return super.getTail(key, length, signal);
  }

  #count(key: string): void {
    if (key.startsWith('segments/')) this.reads++;
  }
}

/** Measures one round of a compactor over flushes with rows of that many tenants. */
export async function measureCompaction(tenants: number): Promise<Map<string, number>> {
  await loadHash();
  const objectStore = new CountingStore();
  const [clock, timers, random] = [new NodeClock(), new NodeTimers({ keepsAlive: true }), new NodeRandom()];
  const committer = partitionCommitters({ objectStore, clock })(0);
  for (let flush = 0; flush < flushes; flush++) {
    const bytes = segmentOf(tenants, flush, clock.nowMs());
    const key = `segments/0/${flush}-${flush + 1}-${String(flush).padStart(16, '0')}`;
    await objectStore.put(key, bytes);
    await committer.commit({
      startOffset: flush,
      endOffset: flush + 1,
      segment: { key, bytes },
      writers: [],
    });
  }
  const workers = new InlineWorkers({ objectStore, cache: new Map(), cacheBytesMax });
  const catalog = new Catalog({ objectStore, timers, partitionCount: 1 });
  const limits = buildLimits(new Map(), { maxReturnedStreamErrors: 10 });
  const compactor = new Compactor({
    objectStore,
    catalog,
    partitions: () => [],
    clock,
    timers,
    random,
    workers,
    logger,
    metrics: compactorMetrics(new Metrics()),
    limits: { forTenant: () => limits },
    options: { ...compactorDefaults, settleMs: 0 },
  });
  const began = process.cpuUsage();
  await compactor.runOnce();
  const { user, system } = process.cpuUsage(began);
  const { merges } = compactor.status();
  if (merges !== tenants) throw new Error(`${merges} merges for ${tenants} tenants`);
  return new Map([
    ['compact 13 flushes', (user + system) / 1e6],
    ['reads of flushed objects', objectStore.reads],
    ['commits', catalog.compacted.number],
  ]);
}

function segmentOf(tenants: number, flush: number, nowMs: number): Buffer {
  const names = Array.from({ length: tenants }, (_, i) => `tenant-${i}`).sort();
  const sections = names.flatMap((tenant, i) => {
    const writer = new RowWriter(tenant);
    writer.beginRun(
      Labels.fromPairs([
        ['app', `app-${i % 20}`],
        ['pod', `pod-${i}`],
      ]),
    );
    const seconds = Math.floor(nowMs / 86_400_000) * 86_400 + flush * 60;
    for (let row = 0; row < rowsPerFlush; row++) {
      writer.addRowText(
        seconds,
        row,
        `flush ${flush}: request ${row} of tenant ${i} took ${(i * row) % 97} ms`,
      );
    }
    writer.endRun();
    return writer.finish();
  });
  return encodeSegment(sections, { kind: 'flushed' });
}
