/** Cuts streams by hash into ranges of about equal bytes, for `/index/shards`. */
import { Labels } from '@loki/model';
import type { StreamVolume } from '@loki/ports';

/** Streams whose hashes lie within the bounds (both included), with their entries and bytes. */
interface IndexShard {
  readonly minHash: bigint;
  readonly maxHash: bigint;
  readonly streams: number;
  readonly bytes: number;
  readonly entries: number;
}

const hashMax = (1n << 64n) - 1n;

/**
 * Cuts streams by their hashes into adjacent ranges of about `bytesTarget` each. Together the ranges cover
 * all hashes, so that they include streams which appear later. Streams of one hash stay together, and a
 * stream larger than the target is a shard by itself.
 *
 * @param bytesTarget > 0
 * @returns at least one
 */
export function shardStreams(streams: readonly StreamVolume[], bytesTarget: number): IndexShard[] {
  const byHash = streams
    .map((stream) => ({ hash: Labels.fromPairs(stream.labels).hash(), stream }))
    .sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
  const shards: IndexShard[] = [];
  let open = { minHash: 0n, maxHash: hashMax, streams: 0, bytes: 0, entries: 0 };
  let lastHash = -1n;
  for (const { hash, stream } of byHash) {
    const isFull = open.streams > 0 && open.bytes + stream.lineBytes > bytesTarget;
    if (isFull && hash !== lastHash) {
      shards.push({ ...open, maxHash: hash - 1n });
      open = { minHash: hash, maxHash: hashMax, streams: 0, bytes: 0, entries: 0 };
    }
    open.streams++;
    open.bytes += stream.lineBytes;
    open.entries += stream.entries;
    lastHash = hash;
  }
  return [...shards, open];
}

/**
 * JSON of the shards. Bounds are 64-bit integers: clients with double numbers see them rounded, as with Loki.
 */
export function shardsJson(shards: readonly IndexShard[]): string {
  const items = shards.map(
    ({ minHash, maxHash, streams, bytes, entries }) =>
      `{"bounds":{"min":${minHash},"max":${maxHash}},"stats":{"streams":${streams},"chunks":${streams},"bytes":${bytes},"entries":${entries}}}`,
  );
  return `{"shards":[${items.join(',')}]}`;
}
