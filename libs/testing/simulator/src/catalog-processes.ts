/** The processes of a simulated catalog: writers, compactors, and removers of old manifests. */
import { PartitionCatalog } from '@loki/catalog';
import type { Catalog, DayChange, SegmentRef } from '@loki/catalog';
import type { ObjectStore } from '@loki/ports';
import type { Prng, VirtualBucket, VirtualProcess } from '@loki/virtual';
import { excused } from './excused.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';

const partition = 0;
/** Small, so that a seed removes many. */
const eraSize = 4;
const checkpointEvery = 3;
/** Two segments in a part of a checkpoint. */
const groupBytes = 220;
export const catalogSimSizes = { eraSize, checkpointEvery, groupBytes };
const dropAfterMs = 10_000;
export const windowEndNs = 1n << 40n;

/** Counts of the work of all processes. */
export type CatalogWork = Record<'commits' | 'compactions' | 'drops' | 'sealed' | 'removed', number>;

interface CatalogProcessesDeps {
  readonly tenants: readonly string[];
  readonly ledger: Ledger;
  readonly counts: CatalogWork;
  readonly bucket: VirtualBucket;
  /** Entries by the key of the segment that holds them. */
  readonly contents: Map<string, readonly LedgerEntry[]>;
}

/** The work of each kind of process, until it crashes. */
export class CatalogProcesses {
  readonly #tenants: readonly string[];
  readonly #ledger: Ledger;
  readonly #counts: CatalogWork;
  readonly #bucket: VirtualBucket;
  readonly #contents: Map<string, readonly LedgerEntry[]>;
  #nextNs = 1n;

  constructor({ tenants, ledger, counts, bucket, contents }: CatalogProcessesDeps) {
    this.#tenants = tenants;
    this.#ledger = ledger;
    this.#counts = counts;
    this.#bucket = bucket;
    this.#contents = contents;
  }

  async write(process: VirtualProcess, objectStore: ObjectStore): Promise<void> {
    const { random, timers, clock } = process;
    const catalog = new PartitionCatalog({ objectStore, partition, timers, ...catalogSimSizes });
    for (;;) {
      await timers.sleep(random.float() * 600);
      if (!(await excused(() => catalog.load()))) continue;
      const startOffset = catalog.state.endOffset;
      const endOffset = startOffset + random.int(1, 9);
      const key = `segments/${partition}/${startOffset}-${endOffset}-${suffixOf(random)}`;
      const tenant = random.pick(this.#tenants);
      const ns = this.#nextNs++;
      const entry: LedgerEntry = { tenant, stream: '{}', timestampNs: ns, line: key, metadata: '' };
      this.#ledger.recordAttempt([entry]);
      this.#contents.set(key, [entry]);
      const section = { tenant, minNs: ns, maxNs: ns, rowCount: 1, lineBytes: 1 };
      const content = {
        startOffset,
        endOffset,
        segment: { key, sizeBytes: 1, level: 0, sections: [section] },
        writers: [],
        drops: [],
        erased: [],
        createdMs: clock.nowMs(),
      };
      let isCommitted = false;
      for (let attempt = 0; attempt < 4; attempt++) {
        const isAnswered = await excused(async () => {
          isCommitted = (await catalog.commit(content)).outcome === 'committed';
        });
        if (isAnswered) break;
        await timers.sleep(random.float() * 500);
      }
      this.#ledger.answered([entry], isCommitted ? 'acked' : 'unknown');
      if (isCommitted) this.#counts.commits++;
      await excused(() => catalog.checkpoint());
    }
  }

  async compact(process: VirtualProcess, objectStore: ObjectStore, catalog: Catalog): Promise<void> {
    const { random, timers, clock } = process;
    const own = new PartitionCatalog({ objectStore, partition, timers, ...catalogSimSizes });
    for (;;) {
      await timers.sleep(random.float() * 2_000);
      await excused(async () => {
        await catalog.refresh();
        const change = this.#changeOf(catalog, random, clock.nowMs());
        if (change) await this.#append(catalog, change, process);
        await this.#drop(catalog, own, clock.nowMs());
      });
    }
  }

  #changeOf(catalog: Catalog, random: Prng, createdMs: number): DayChange | undefined {
    const tenant = random.pick(this.#tenants);
    const flushed = catalog
      .segmentsFor(tenant, 0n, windowEndNs)
      .filter(({ sources }) => !sources)
      .slice(0, random.int(2, 6));
    const compacted = random.chance(0.3) ? (catalog.compacted.day(tenant, 0)?.outputs ?? []) : [];
    if (flushed.length + compacted.length < 2) return undefined;
    const entries = [...compacted, ...flushed].flatMap(({ key }) =>
      this.#contents.get(key)!.filter((entry) => entry.tenant === tenant),
    );
    const key = `compacted/${tenant}/1970-01-01/${suffixOf(random)}`;
    this.#contents.set(key, entries);
    const times = entries.map(({ timestampNs }) => timestampNs).sort((a, b) => Number(a - b));
    const [minNs, maxNs] = [times[0], times.at(-1)!];
    const offsets = [...compacted.flatMap(({ sources }) => sources), ...flushed];
    const source = {
      partition,
      startOffset: Math.min(...offsets.map(({ startOffset }) => startOffset)),
      endOffset: Math.max(...offsets.map(({ endOffset }) => endOffset)),
    };
    const output = {
      key,
      sizeBytes: 1,
      level: 1,
      minNs,
      maxNs,
      rowCount: entries.length,
      lineBytes: 1,
      createdMs,
    };
    return {
      tenant,
      day: 0,
      flushed: flushed.map(inputOf),
      compacted: compacted.map((each) => each.key),
      outputs: [{ ...output, sources: [source] }],
    };
  }

  async #append(catalog: Catalog, change: DayChange, { clock }: VirtualProcess): Promise<void> {
    await catalog.compactions.append((number) =>
      catalog.compacted.problemOf(change) === undefined
        ? { number, createdMs: clock.nowMs(), changes: [change], erased: [] }
        : undefined,
    );
    this.#counts.compactions++;
  }

  /** Replaced sections leave the partition's catalog. */
  async #drop(catalog: Catalog, own: PartitionCatalog, nowMs: number): Promise<void> {
    await own.load();
    const keys = [...own.state.live.values()].flatMap(({ segment: { key, sections } }) => {
      const [section] = sections;
      const replaced = catalog.compacted.day(section.tenant, 0)?.flushed.get(key);
      return replaced && replaced.replacedMs < nowMs - dropAfterMs ? [key] : [];
    });
    if (keys.length === 0) return;
    await own.drop({ drops: keys.map((key) => ({ key, tenants: [] })), createdMs: nowMs });
    this.#counts.drops += keys.length;
    await own.checkpoint();
  }

  async remove(process: VirtualProcess, objectStore: ObjectStore, catalog: Catalog): Promise<void> {
    const { random, timers, clock } = process;
    const own = new PartitionCatalog({ objectStore, partition, timers, ...catalogSimSizes });
    const removeAfterMs = random.pick([0, 0, 3_000]);
    const before = () => [...this.#bucket.objects.keys()].filter((key) => key.includes('/seals/')).length;
    for (;;) {
      await timers.sleep(random.float() * 3_000);
      const seals = before();
      const afterStep = async (): Promise<void> => {
        this.#counts.removed++;
        if (random.chance(0.05)) await timers.sleep(random.float() * 10_000);
      };
      const removal = { nowMs: clock.nowMs(), removeAfterMs, afterStep };
      await excused(async () => {
        await own.load();
        await own.removeCovered(removal);
        await catalog.compactions.load();
        await catalog.compactions.removeCovered(removal);
      });
      this.#counts.sealed += before() - seals;
    }
  }
}

function inputOf({ key, startOffset, endOffset }: SegmentRef): DayChange['flushed'][number] {
  return { key, partition, startOffset, endOffset };
}

function suffixOf(random: Prng): string {
  return Buffer.from(random.bytes(8)).toString('hex');
}
