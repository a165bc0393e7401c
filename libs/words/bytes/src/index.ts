/** Bytes: binary readers and writers, checksums, compression and text search, shared by all libraries. */
export { ByteReader, BytesError } from './byte-reader.ts';
export { ByteWriter } from './byte-writer.ts';
export { crc32c } from './crc32c.ts';
export { lengthen } from './lengthen.ts';
export { NeedleSearch } from './needle-search.ts';
export { wasm, wasmExports, wasmTypes } from './wasm-code.ts';
export { zstdCompress, zstdDecompress, zstdLevelDefault } from './zstd.ts';
export type { ZstdEffort } from './zstd.ts';
export { skippedContent, skippedFrame, zstdFrameEnd } from './zstd-frame.ts';
