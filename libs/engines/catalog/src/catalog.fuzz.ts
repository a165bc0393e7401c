/** Objects of the catalog: manifests, checkpoints, deletes, steps of shards and the mark of the owner. */
import { crc32c } from '@loki/bytes';
import { MemoryObjectStore } from '@loki/object-store';
import { refusalOf } from '@loki/test-tools';
import type { FuzzTarget, GoldenFile } from '@loki/test-tools';
import {
  decodeCompactionPart,
  decodeCompactions,
  encodeCompactionPart,
  encodeCompactionRoot,
} from './compaction/compaction-checkpoint.ts';
import { decodeCompactionManifest, encodeCompactionManifest } from './compaction/compaction-manifest.ts';
import { CompactionState } from './compaction/compaction-state.ts';
import { DeleteState } from './deletes/delete-state.ts';
import { StreamShardsState } from './layout/stream-shards-state.ts';
import { CatalogState } from './logs/catalog-state.ts';
import { decodeCheckpoint, decodePart, encodeCheckpoint, encodePart, encodeRoot } from './logs/checkpoint.ts';
import { decodeManifest, encodeManifest } from './logs/manifest.ts';
import type { Manifest, ManifestSegment } from './logs/manifest.ts';
import { decodeSeal, encodeSeal } from './logs/numbered-objects.ts';
import { OwnerMark } from './owner/owner-mark.ts';

const key = 'catalog/x';
const writer = 'ab'.repeat(16);

const segment: ManifestSegment = {
  key: 'segments/00/abc',
  sizeBytes: 123_456,
  level: 0,
  sections: [
    { tenant: 'tenant-1', minNs: -5n, maxNs: 1_768_000_000_000_000_000n, rowCount: 12, lineBytes: 3456 },
    { tenant: 'ż', minNs: 0n, maxNs: 0n, rowCount: 1, lineBytes: 0 },
  ],
};

const manifest: Manifest = {
  partition: 3,
  number: 7,
  startOffset: 100,
  endOffset: 2 ** 40,
  createdMs: 1_768_000_000_000,
  segment,
  writers: [[writer, 9]],
  drops: [{ key: 'segments/00/old', tenants: ['t'] }],
  erased: ['segments/00/older'],
};

const range = { partition: 1, startOffset: 5, endOffset: 9 };
const compaction = {
  number: 1,
  createdMs: 1_768_000_000_000,
  changes: [
    {
      tenant: 't',
      day: 20_468,
      flushed: [{ key: 'segments/00/abc', ...range }],
      compacted: ['segments/01/x'],
      outputs: [
        {
          key: 'segments/02/y',
          sizeBytes: 1,
          level: 2,
          minNs: 0n,
          maxNs: 9n,
          rowCount: 3,
          lineBytes: 4,
          createdMs: 5,
          sources: [range],
        },
      ],
    },
  ],
  erased: [],
};

/** A state with every kind of content, folded from manifests. */
function foldedState(): CatalogState {
  const state = new CatalogState(3);
  for (const [number, end] of [
    [1, 10],
    [2, 30],
  ] as const) {
    state.fold({
      ...manifest,
      number,
      startOffset: number === 1 ? 0 : 10,
      endOffset: end,
      segment: { ...segment, key: `segments/00/${number}` },
      drops: number === 2 ? [{ key: 'segments/00/1', tenants: [] }] : [],
      erased: [],
    });
  }
  return state;
}

const create = {
  kind: 'create',
  id: 'id-1',
  query: '{app="x"} |= "y"',
  startMs: -1,
  endMs: 1_768_000_000_000,
  parts: 3,
} as const;
const deleteSteps = [
  create,
  { kind: 'progress', id: 'id-1', partsDone: 2 },
  { kind: 'increase' },
  { kind: 'cancel', id: 'id-0' },
] as const;
const step = { placement: 0xffff_ffff, fromSeconds: 1_768_000_000, untilSeconds: 1_768_021_600, shards: 4 };

function foldedDeletes(): DeleteState {
  const state = new DeleteState();
  deleteSteps.forEach((change, index) =>
    state.fold({ number: index + 1, atMs: 1_768_000_000_000, tenant: `t-${index % 2}`, change }),
  );
  return state;
}

function foldedSteps(): StreamShardsState {
  const state = new StreamShardsState();
  state.fold({ number: 1, createdMs: 1_768_000_000_000, writer, steps: [step, { ...step, placement: 1 }] });
  return state;
}

function foldedCompactions(): CompactionState {
  const state = new CompactionState();
  state.fold({ ...compaction, changes: [{ ...compaction.changes[0], compacted: [] }] });
  return state;
}

const partRef = { number: 2, hash: '0123456789abcdef'.repeat(2), sizeBytes: 300 };

function partOf(state: CatalogState): Buffer {
  return encodePart({ live: state.live.values(), dead: [...state.dead.values()] });
}

function compactionPartOf(state: CompactionState): Buffer {
  const days = state
    .tenants()
    .flatMap((tenant) =>
      state.days(tenant).map((day) => ({ tenant, day, content: state.day(tenant, day)! })),
    );
  return encodeCompactionPart({ dead: [...state.dead.values()], days });
}

/** The mark of `writer` at host:/data, as the first version wrote it. */
const ownerMark = Buffer.from(
  '4c4f45310180a08ca8ba332061626162616261626162616261626162616261626162616261626162616261620a686f73743a2f646174612e8ed6c1',
  'hex',
);

async function readMark(bytes: Buffer): Promise<string> {
  const store = new MemoryObjectStore();
  await store.put('catalog/owners/00000000000000000001', bytes);
  return JSON.stringify(await new OwnerMark(store).current());
}

function rewriteCheckpoint(bytes: Buffer): Buffer {
  const state = new CatalogState(3);
  const parts = decodeCheckpoint(bytes, key, state);
  return parts ? encodeRoot(state, parts) : encodeCheckpoint(state);
}

/** Each kind of object: its bytes, and the bytes after decoding and encoding. */
interface Kind {
  readonly name: string;
  readonly bytes: () => readonly Buffer[];
  /** The bytes, decoded and encoded again. */
  readonly rewrite: (bytes: Buffer) => Buffer;
}

const kinds: readonly Kind[] = [
  {
    name: 'manifest',
    bytes: () => [
      encodeManifest(manifest),
      encodeManifest({ ...manifest, segment: undefined, writers: [], drops: [], erased: [] }),
    ],
    rewrite: (bytes) => encodeManifest(decodeManifest(bytes, key)),
  },
  {
    name: 'checkpoint',
    bytes: () => [encodeCheckpoint(foldedState()), encodeCheckpoint(new CatalogState(3))],
    rewrite: rewriteCheckpoint,
  },
  {
    name: 'checkpoint-root',
    bytes: () => [encodeRoot(foldedState(), [partRef, { ...partRef, number: 1 }])],
    rewrite: rewriteCheckpoint,
  },
  {
    name: 'checkpoint-part',
    bytes: () => [partOf(foldedState())],
    rewrite: (bytes) => {
      const state = new CatalogState(3);
      for (const each of decodePart(bytes, key, state, partRef)) state.dead.set(each.key, each);
      return partOf(state);
    },
  },
  {
    name: 'compaction-manifest',
    bytes: () => [encodeCompactionManifest(compaction)],
    rewrite: (bytes) => encodeCompactionManifest(decodeCompactionManifest(bytes, key)),
  },
  {
    name: 'compaction-checkpoint',
    bytes: () => [foldedCompactions().encodeCheckpoint()],
    rewrite: (bytes) => {
      const state = new CompactionState();
      state.decodeCheckpoint(bytes, key);
      return state.encodeCheckpoint();
    },
  },
  {
    name: 'compaction-checkpoint-root',
    bytes: () => [encodeCompactionRoot({ number: 7 }, [partRef, { ...partRef, number: 1 }])],
    rewrite: (bytes) => {
      const state = new CompactionState();
      const parts = decodeCompactions(bytes, key, state);
      return parts ? encodeCompactionRoot(state, parts) : state.encodeCheckpoint();
    },
  },
  {
    name: 'compaction-checkpoint-part',
    bytes: () => [compactionPartOf(foldedCompactions())],
    rewrite: (bytes) => {
      const state = new CompactionState();
      decodeCompactionPart(bytes, key, state, partRef);
      return compactionPartOf(state);
    },
  },
  {
    name: 'seal',
    bytes: () => [encodeSeal(3, 1_768_000_000_000)],
    rewrite: (bytes) => {
      const { era, createdMs } = decodeSeal(bytes, key);
      return encodeSeal(era, createdMs);
    },
  },
  {
    name: 'delete-manifest',
    bytes: () =>
      deleteSteps.map((change) =>
        new DeleteState().encodeManifest({ number: 1, atMs: 5, tenant: 't', change }),
      ),
    rewrite: (bytes) => new DeleteState().encodeManifest(new DeleteState().decodeManifest(bytes, key)),
  },
  {
    name: 'delete-checkpoint',
    bytes: () => [foldedDeletes().encodeCheckpoint()],
    rewrite: (bytes) => {
      const state = new DeleteState();
      state.decodeCheckpoint(bytes, key);
      return state.encodeCheckpoint();
    },
  },
  {
    name: 'shard-manifest',
    bytes: () => [new StreamShardsState().encodeManifest({ number: 1, createdMs: 5, writer, steps: [step] })],
    rewrite: (bytes) =>
      new StreamShardsState().encodeManifest(new StreamShardsState().decodeManifest(bytes, key)),
  },
  {
    name: 'shard-checkpoint',
    bytes: () => [foldedSteps().encodeCheckpoint()],
    rewrite: (bytes) => {
      const state = new StreamShardsState();
      state.decodeCheckpoint(bytes, key);
      return state.encodeCheckpoint();
    },
  },
];

const isRefusal = refusalOf('corrupt');

/** Appends the right checksum. */
function mend(input: Buffer): Buffer {
  if (input.length < 4) return input;
  const mended = Buffer.from(input);
  mended.writeUInt32LE(crc32c(mended, 0, mended.length - 4), mended.length - 4);
  return mended;
}

export const targets: readonly FuzzTarget[] = [
  ...kinds.map(({ name, bytes, rewrite }): FuzzTarget => ({
    name: `catalog-${name}`,
    shape: 'bytes',
    corpus: bytes,
    mend,
    isRefusal,
    run: (input) => {
      const once = rewrite(input);
      if (!rewrite(once).equals(once)) throw new TypeError('what was read and written differs');
      return once.length;
    },
  })),
  {
    name: 'catalog-owner-mark',
    shape: 'bytes',
    corpus: () => [ownerMark],
    mend,
    isRefusal,
    run: readMark,
  },
];

export const goldenFiles: readonly GoldenFile[] = [
  ...kinds.map(({ name, bytes, rewrite }): GoldenFile => ({
    name: `catalog-${name}`,
    bytes: () => bytes()[0],
    isRefusal,
    read: (read) => [rewrite(read).toString('hex')],
  })),
  {
    name: 'catalog-owner-mark',
    bytes: () => ownerMark,
    isRefusal,
    read: async (bytes) => [await readMark(bytes)],
  },
];
