/**
 * Protects the costs of the store and the polling behind news: a reader sends few requests, and still sees
 * all commits when messages are lost.
 */
import { MemoryObjectStore } from '@loki/object-store';
import type { CatalogNews, CatalogNumbers, ObjectStore, Timers } from '@loki/ports';
import { NodeClock } from '@loki/runtime';
import { Prng } from '@loki/virtual';
import { CatalogFollower } from './catalog-follower.ts';
import type { CatalogNewsSource } from './catalog-follower.ts';
import { Catalog } from './catalog.ts';
import { partitionCommitters } from './commits.ts';
import { PartitionCatalog } from './logs/partition-catalog.ts';
import { SharedLogs } from './shared-logs.ts';

const shared = { compactions: 0, deletes: 0, layout: 0 };

/** One reader of two partitions, whose rounds the test drives. */
class Reader {
  readonly store = new MemoryObjectStore();
  readonly sharedLogs = new SharedLogs();
  readonly catalog: Catalog;
  readonly follower: CatalogFollower;
  isDown = false;
  /** Keys that the reader asked the store for. */
  asked: string[] = [];
  known: CatalogNumbers | undefined;
  #next: (() => void) | undefined;
  readonly #writers: readonly PartitionCatalog[];

  constructor(news?: CatalogNewsSource, netRounds?: { readonly partition: number; readonly shared: number }) {
    const { store } = this;
    const counted = new Proxy<ObjectStore>(store, {
      get: (_, name: keyof ObjectStore) => {
        if (name !== 'get') return store[name].bind(store);
        return (key: string) => {
          this.asked.push(key);
          if (this.isDown) throw new Error('down');
          return store.get(key);
        };
      },
    });
    const timers: Timers = {
      sleep: () => Promise.resolve(),
      after: (_, next) => {
        this.#next = next;
        return { cancel: () => undefined };
      },
    };
    this.#writers = [0, 1].map((partition) => new PartitionCatalog({ objectStore: store, partition }));
    this.catalog = new Catalog({ objectStore: counted, partitionCount: 2 });
    this.follower = new CatalogFollower({
      catalog: this.catalog,
      timers,
      random: new Prng('follower'),
      sharedLogs: this.sharedLogs,
      news: news && (async (known, signal) => ((this.known = known), news(known, signal))),
      netRounds,
    });
    this.follower.start();
  }

  async round(times = 1): Promise<void> {
    for (let i = 0; i < times; i++) {
      const next = this.#next!;
      this.#next = undefined;
      next();
      while (!this.#next) await new Promise(setImmediate);
    }
  }

  async commit(partition: number): Promise<void> {
    const { endOffset: startOffset } = this.#writers[partition].state;
    const segment = {
      key: `segments/${partition}/${startOffset}`,
      sizeBytes: 10,
      level: 0,
      sections: [{ tenant: 'a', minNs: 0n, maxNs: 99n, rowCount: 1, lineBytes: 1 }],
    };
    const range = { startOffset, endOffset: startOffset + 5 };
    await this.#writers[partition].commit({
      ...range,
      segment,
      writers: [],
      drops: [],
      erased: [],
      createdMs: 1,
    });
  }

  number(partition: number): number {
    return this.catalog.state(partition).number;
  }

  /** Requests for a partition since the last call. */
  looks(partition: number): number {
    const looks = this.asked.filter((key) => key.startsWith(`catalog/partitions/${partition}/`)).length;
    this.asked = [];
    return looks;
  }
}

/** An ingester that leads all partitions, and answers from the manifests in the store. */
function leader(reader: () => Reader): CatalogNewsSource & { tells: boolean } {
  const ask: CatalogNewsSource = async ({ partitions }) => {
    const { store } = reader();
    const commits = partitionCommitters({
      objectStore: store,
      clock: new NodeClock(),
    });
    const answers = [...partitions].map(async ([partition, number]) => {
      await commits(partition).load();
      return { partition, isLeader: true, ...commits(partition).news(number) };
    });
    return source.tells ? [{ partitions: await Promise.all(answers), shared }] : [];
  };
  const source = Object.assign(ask, { tells: true });
  return source;
}

/** An ingester that says of everything that the reader knows it. */
const nothingNew: CatalogNewsSource = async ({ partitions, shared: known }): Promise<CatalogNews[]> => [
  {
    partitions: [...partitions].map(([partition, number]) => ({
      partition,
      number,
      isLeader: true,
      manifests: [],
    })),
    shared: known,
  },
];

describe('without news of ingesters', () => {
  test('commits are found in the store, also after it has failed', async () => {
    const reader = new Reader();
    reader.isDown = true;
    await reader.commit(1);
    await reader.round(2);
    reader.isDown = false;
    await reader.round();
    expect(reader.number(1)).toBe(1);
    expect(reader.catalog.segmentsFor('a', 0n, 10n)).toHaveLength(1);
    reader.follower.stop();
  });

  test('a partition is looked at less and less often, and after a commit at once again', async () => {
    const reader = new Reader();
    await reader.round(480);
    const idleLooks = reader.looks(1);
    // Two hours: each 15 s at first, each half an hour at last.
    expect(idleLooks).toBeGreaterThan(8);
    expect(idleLooks).toBeLessThan(18);
    await reader.commit(1);
    await reader.catalog.refreshTo(1, 5);
    await reader.commit(1);
    await reader.round(3);
    expect(reader.number(1)).toBe(2);
  });
});

describe('with news of ingesters', () => {
  test('manifests come with the news, and the store is not asked', async () => {
    const source = leader(() => reader);
    const reader: Reader = new Reader(source);
    await reader.catalog.refresh();
    await reader.round();
    reader.asked = [];
    for (let i = 0; i < 3; i++) {
      await reader.commit(0);
      await reader.commit(1);
      await reader.round();
    }
    expect([reader.number(0), reader.number(1)]).toEqual([3, 3]);
    expect(reader.catalog.segmentsFor('a', 0n, 10n)).toHaveLength(6);
    expect(reader.asked).toEqual([]);
    await reader.round(240);
    // An hour without commits: the net asks for a partition once a day.
    expect(reader.looks(0)).toBeLessThanOrEqual(2);
    expect([...reader.known!.partitions]).toEqual([
      [0, 3],
      [1, 3],
    ]);
  });

  test('a manifest that does not come with the news is read from the store', async () => {
    const reader: Reader = new Reader(async ({ partitions }) => [
      {
        partitions: [{ partition: 1, number: 1, isLeader: false, manifests: [] }],
        shared: { ...shared, layout: partitions.size },
      },
    ]);
    await reader.catalog.refresh();
    await reader.commit(1);
    await reader.round();
    expect(reader.number(1)).toBe(1);
    expect(reader.sharedLogs.numbers().layout).toBe(2);
  });

  test('news that are damaged, or of partitions that do not exist, do no harm', async () => {
    const reader: Reader = new Reader(async () => [
      {
        partitions: [
          { partition: 1, number: 1, isLeader: true, manifests: [Buffer.from('damaged')] },
          { partition: 9, number: 1, isLeader: true, manifests: [] },
        ],
        shared,
      },
    ]);
    await reader.catalog.refresh();
    await reader.commit(1);
    await reader.round();
    expect(reader.number(1)).toBe(1);
  });

  test('a reader that leaves tells what it has committed since the last round', async () => {
    const reader = new Reader(nothingNew);
    await reader.catalog.refresh();
    await reader.round();
    await reader.commit(0);
    await reader.catalog.refresh();
    reader.sharedLogs.tell({ ...shared, compactions: 7 });
    await reader.follower.leave();
    expect(reader.known).toMatchObject({ shared: { compactions: 7 } });
    expect(reader.known!.partitions.get(0)).toBe(1);
  });

  test('no ingester answers: the reader leaves all the same', async () => {
    const reader = new Reader(() => Promise.reject(new Error('gone')));
    await expect(reader.follower.leave()).resolves.toBeUndefined();
  });

  test('partitions whose leader is silent are looked at as without news', async () => {
    const source = leader(() => reader);
    const reader: Reader = new Reader(source);
    await reader.catalog.refresh();
    await reader.round();
    source.tells = false;
    await reader.commit(0);
    await reader.round(2);
    expect(reader.number(0)).toBe(1);
  });

  test('without any true news the net learns of commits and compactions', async () => {
    const reader = new Reader(nothingNew, { partition: 20, shared: 5 });
    await reader.catalog.refresh();
    await reader.commit(0);
    await reader.round(21);
    expect(reader.number(0)).toBe(1);
    reader.asked = [];
    await reader.round(20);
    expect(reader.asked.filter((key) => key.startsWith('catalog/compactions/'))).toHaveLength(4);
  });

  test('a compaction that is told is read at once, and a catch-up reads it in any case', async () => {
    const compactions = (reader: Reader) =>
      reader.asked.filter((key) => key.startsWith('catalog/compactions/')).length;
    const reader = new Reader(nothingNew, { partition: 1_000, shared: 1_000 });
    await reader.catalog.refresh();
    reader.asked = [];
    await reader.round(3);
    expect(compactions(reader)).toBe(0);
    reader.sharedLogs.tell({ ...shared, compactions: 1 });
    await reader.round();
    expect(compactions(reader)).toBe(1);
    await reader.follower.catchUp();
    expect(compactions(reader)).toBe(2);
    // Partitions are those that their leaders have told.
    expect(reader.looks(0)).toBe(0);
  });
});
