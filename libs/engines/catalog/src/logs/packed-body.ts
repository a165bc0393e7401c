/**
 * A body compressed under a magic number and a checksum (FORMAT.md): checkpoints in one object, and parts.
 */
import { ByteReader, ByteWriter, zstdCompress, zstdDecompress } from '@loki/bytes';
import { appendChecksum } from './manifest.ts';

/** Largest unpacked checkpoint of version 1: some millions of sections. */
export const wholeBytesMax = 512 << 20;
/**
 * Largest unpacked part: one segment of a million sections, as a manifest may have, each of 190 bytes at
 * most.
 */
export const partBytesMax = 256 << 20;

/** Magic, unpacked size, zstd of the body, CRC32C. */
export function packed(magic: number, body: ByteWriter): Buffer {
  const writer = new ByteWriter(body.length / 4 + 64);
  writer.u32(magic);
  writer.uvarint(body.length);
  writer.sizedBytes(zstdCompress(body.view()));
  return appendChecksum(writer);
}

/**
 * The body after the magic, which `reader` has passed.
 *
 * @throws when it is larger than `bytesMax`, or no zstd
 */
export function unpacked(reader: ByteReader, bytesMax: number): ByteReader {
  const size = reader.count(bytesMax);
  return new ByteReader(zstdDecompress(reader.sizedBytes(), size));
}
