/** Hashes of streams, rings and queries: they choose partitions, owners and shards. */
import xxhash from 'xxhash-wasm';

/** Loaded once before any role starts: the WebAssembly module compiles asynchronously. */
let impl: Awaited<ReturnType<typeof xxhash>> | undefined;

/**
 * Loads the hash module. It must resolve before `hash64` is called: mains, workers and test set-ups await it
 * first. Idempotent.
 */
export async function loadHash(): Promise<void> {
  impl ??= await xxhash();
}

/** xxHash64, seed 0, of UTF-8 text. Throws when `loadHash` has not resolved. */
export function hash64(text: string): bigint {
  if (!impl) throw new Error('loadHash() must resolve before hash64()');
  return impl.h64(text);
}

/** xxHash64, seed 0, of bytes. Throws when `loadHash` has not resolved. */
export function hash64Bytes(bytes: Uint8Array): bigint {
  if (!impl) throw new Error('loadHash() must resolve before hash64Bytes()');
  return impl.h64Raw(bytes);
}

const fnvOffset32 = 0x811c9dc5;
const fnvPrime32 = 0x01000193;

/** FNV-1a, 32 bit, over UTF-8 bytes: placement on rings. */
export function fnv1a32(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  let hash = fnvOffset32;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], fnvPrime32);
  return hash >>> 0;
}

/**
 * FNV-1, 32 bit, over UTF-8 bytes: the hash of a query's text that Loki logs and that `blocked_queries` may
 * name.
 */
export function fnv1Hash32(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  let hash = fnvOffset32;
  for (let i = 0; i < bytes.length; i++) hash = (Math.imul(hash, fnvPrime32) ^ bytes[i]) >>> 0;
  return hash;
}
