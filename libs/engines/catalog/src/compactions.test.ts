import { dayNs } from '@loki/model';
import { MemoryObjectStore } from '@loki/object-store';
import type { Timers } from '@loki/ports';
import { Catalog } from './catalog.ts';
import { CompactedDay } from './compaction/compacted-day.ts';
import type { CompactedSegment, CompactionManifest, DayChange } from './compaction/compaction-manifest.ts';
import { CompactionState } from './compaction/compaction-state.ts';
import { PartitionCatalog } from './logs/partition-catalog.ts';

const timers = { after: () => ({ cancel() {} }), sleep: () => new Promise<void>(() => {}) } as Timers;

function output(key: string, ...ranges: [partition: number, start: number, end: number][]): CompactedSegment {
  const sources = ranges.map(([partition, startOffset, endOffset]) => ({
    partition,
    startOffset,
    endOffset,
  }));
  return {
    key,
    sizeBytes: 9,
    level: 1,
    minNs: 0n,
    maxNs: 5n,
    rowCount: 1,
    lineBytes: 1,
    createdMs: 7,
    sources,
  };
}

function flushed(key: string, partition: number, startOffset: number, endOffset: number) {
  return { key, partition, startOffset, endOffset };
}

function change(part: Partial<DayChange>): DayChange {
  return { tenant: 'a', day: 0, flushed: [], compacted: [], outputs: [], ...part };
}

const three = [
  change({
    flushed: [flushed('f1', 0, 0, 5), flushed('f2', 1, 0, 3)],
    outputs: [output('o1', [0, 0, 5], [1, 0, 3])],
  }),
  change({ flushed: [flushed('f3', 0, 5, 9)], outputs: [output('o2', [0, 5, 9])] }),
  change({
    compacted: ['o1', 'o2'],
    flushed: [flushed('f4', 1, 3, 8)],
    outputs: [output('o3', [0, 0, 9], [1, 0, 8])],
  }),
];

function manifests(changes: readonly DayChange[]): CompactionManifest[] {
  return changes.map((each, i) => ({ number: i + 1, createdMs: i, changes: [each], erased: [] }));
}

describe('a compacted day', () => {
  test('is seen by a reader as it was when the offsets he was told were committed', () => {
    const day = new CompactedDay();
    three.forEach((each, i) => day.apply(each, i));
    const seen = (upTo?: [number, number][]) => {
      const view = day.view(upTo && new Map(upTo));
      const replaced = ['f1', 'f2', 'f3', 'f4'].filter((key) => view.isReplaced(key));
      return [view.outputs.map(({ key }) => key).join(), replaced.join()];
    };
    expect(seen()).toEqual(['o3', 'f1,f2,f3,f4']);
    expect(
      seen([
        [0, 9],
        [1, 8],
      ]),
    ).toEqual(['o3', 'f1,f2,f3,f4']);
    expect(seen([[1, 3]])).toEqual(['o1,o2', 'f1,f2,f3']);
    expect(
      seen([
        [0, 5],
        [1, 3],
      ]),
    ).toEqual(['o1', 'f1,f2']);
    expect(seen([[0, 5]])).toEqual(['o1', 'f1,f2']);
    expect(seen([[0, 0]])).toEqual(['', '']);
    const restored = new CompactedDay();
    restored.restore([...day.flushed.values()], day.outputs);
    expect(() => restored.view(new Map([[0, 5]]))).toThrow('were compacted');
  });

  test('refuses what would lose rows, read them twice, or change their order', () => {
    const day = new CompactedDay();
    day.apply(three[0], 0);
    day.apply(three[1], 1);
    expect(day.problemOf({ flushed: [], compacted: ['o2', 'o1'] })).toContain('not in order');
    expect(day.problemOf({ flushed: [], compacted: ['o9'] })).toContain('not there');
    expect(day.problemOf({ flushed: [flushed('f1', 0, 0, 5)], compacted: [] })).toContain('replaced before');
    expect(day.problemOf({ flushed: [flushed('f4', 1, 3, 8)], compacted: ['o1'] })).toContain('after all');
    expect(day.problemOf({ flushed: [flushed('f4', 1, 3, 8)], compacted: ['o2'] })).toBeUndefined();
  });
});

describe('the compactors’ log', () => {
  test('manifests and checkpoints survive their bytes; damage is found', () => {
    const state = new CompactionState();
    for (const manifest of manifests(three)) {
      expect(state.decodeManifest(state.encodeManifest(manifest), 'k')).toEqual(manifest);
      state.fold(manifest);
    }
    state.fold({ number: 4, createdMs: 9, changes: [], erased: ['o1'] });
    const bytes = state.encodeCheckpoint();
    const loaded = new CompactionState();
    loaded.decodeCheckpoint(bytes, 'k');
    expect(loaded.encodeCheckpoint()).toEqual(bytes);
    expect([...loaded.keys()]).toEqual(['o3', 'o2']);
    expect(loaded.number).toBe(4);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1 << (at % 8);
      expect(() => new CompactionState().decodeCheckpoint(damaged, 'k')).toThrow('catalog: k');
    }
    const manifest = state.encodeManifest(manifests(three)[2]);
    for (let at = 0; at < manifest.length; at++) {
      const damaged = Buffer.from(manifest);
      damaged[at] ^= 1 << (at % 8);
      expect(() => state.decodeManifest(damaged, 'k')).toThrow('catalog: k');
    }
  });

  test('an erased flushed segment is forgotten with its day', () => {
    const state = new CompactionState();
    state.fold({ ...manifests(three)[0], changes: [change({ flushed: [flushed('f1', 0, 0, 5)] })] });
    expect(state.days('a')).toEqual([0]);
    state.fold({ number: 2, createdMs: 9, changes: [], erased: ['f1'] });
    expect(state.tenants()).toEqual([]);
  });
});

test('a section that a partition dropped is read until what replaced it is surely known', async () => {
  const objectStore = new MemoryObjectStore();
  const writer = new PartitionCatalog({ objectStore, partition: 0 });
  const section = { tenant: 'a', minNs: 0n, maxNs: 5n, rowCount: 1, lineBytes: 1 };
  const segment = { key: 'segments/0/f1', sizeBytes: 10, level: 0, sections: [section] };
  const base = { startOffset: 0, endOffset: 5, writers: [], drops: [], erased: [], createdMs: 0 };
  await writer.commit({ ...base, segment });

  // A reader whose look at the compactors' log fails just when the section goes.
  let isDown = false;
  const get = objectStore.get.bind(objectStore);
  objectStore.get = (key) => {
    if (isDown && key.startsWith('catalog/compactions')) throw new Error('no answer');
    return get(key);
  };
  const reader = new Catalog({ objectStore, timers, partitionCount: 1 });
  await reader.refresh();
  const other = new Catalog({ objectStore, timers, partitionCount: 1 });
  await other.refresh();
  await other.compactions.append((number) => ({
    number,
    createdMs: 1,
    changes: [change({ flushed: [flushed(segment.key, 0, 0, 5)], outputs: [output('o1', [0, 0, 5])] })],
    erased: [],
  }));
  await writer.drop({ drops: [{ key: segment.key, tenants: ['a'] }], createdMs: 2 });
  isDown = true;
  await expect(reader.refresh()).rejects.toThrow('no answer');
  const keys = () => reader.segmentsFor('a', 0n, dayNs, new Map([[0, 5]])).map(({ key }) => key);
  expect(keys()).toEqual([segment.key]);
  isDown = false;
  await reader.refresh();
  expect(keys()).toEqual(['o1']);
  const late = new Catalog({ objectStore, timers, partitionCount: 1 });
  await late.refreshTo(0, 5);
  expect(late.segmentsFor('a', 0n, dayNs).map(({ key }) => key)).toEqual(['o1']);
});
