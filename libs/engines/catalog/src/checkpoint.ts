/** Checkpoints of a partition's catalog (FORMAT.md). */
import { ByteReader, ByteWriter, zstdCompress, zstdDecompress } from '@loki/bytes';
import { CatalogState } from './catalog-state.ts';
import { decode, getSegment, getWriters, putSegment, putWriters, appendChecksum } from './manifest.ts';

/** `LCC1`. The last byte is the version. */
const magic = 0x3143_434c;
/** Largest unpacked checkpoint: some millions of sections. */
const unpackedBytesMax = 512 << 20;
const listMax = 10_000_000;

/** A partition's folded manifests as one object: magic, unpacked size, zstd of the body, CRC32C. */
export function encodeCheckpoint(state: CatalogState): Buffer {
  const body = new ByteWriter(1 << 16);
  body.uvarint(state.partition);
  body.uvarint(state.number);
  body.uvarint(state.endOffset);
  putWriters(body, state.writers);
  body.u8(state.newestNs === undefined ? 0 : 1);
  body.i64(state.newestNs ?? 0n);
  body.uvarint(state.live.size);
  for (const live of state.live.values()) {
    body.uvarint(live.startOffset);
    body.uvarint(live.endOffset);
    body.uvarint(live.createdMs);
    putSegment(body, live.segment);
  }
  body.uvarint(state.dead.size);
  for (const { key, droppedMs } of state.dead.values()) {
    body.sizedText(key);
    body.uvarint(droppedMs);
  }
  const writer = new ByteWriter(body.length / 4 + 64);
  writer.u32(magic);
  writer.uvarint(body.length);
  writer.sizedBytes(zstdCompress(body.view()));
  return appendChecksum(writer);
}

/**
 * Replaces `state` by the content of a checkpoint.
 *
 * @throws LokiError `corrupt`, with `key`; `state` is then not changed
 */
export function decodeCheckpoint(bytes: Uint8Array, key: string, state: CatalogState): void {
  decode(bytes, key, magic, (reader) => {
    const size = reader.count(unpackedBytesMax);
    const body = new ByteReader(zstdDecompress(reader.sizedBytes(), size));
    const loaded = readBody(body);
    body.expectEnd();
    if (loaded.partition !== state.partition) throw new Error(`of partition ${loaded.partition}`);
    state.replaceBy(loaded);
  });
}

function readBody(body: ByteReader): CatalogState {
  const partition = body.uvarint();
  const state = new CatalogState(partition);
  state.number = body.uvarint();
  state.endOffset = body.uvarint();
  state.writers = getWriters(body);
  const hasRows = body.u8() === 1;
  const newestNs = body.i64();
  for (let remaining = body.count(listMax); remaining > 0; remaining--) {
    const startOffset = body.uvarint();
    const endOffset = body.uvarint();
    const createdMs = body.uvarint();
    state.addLive({ partition, startOffset, endOffset, createdMs }, getSegment(body));
  }
  for (let remaining = body.count(listMax); remaining > 0; remaining--) {
    const key = body.sizedText();
    state.dead.set(key, { key, droppedMs: body.uvarint() });
  }
  state.newestNs = hasRows ? newestNs : undefined;
  return state;
}
