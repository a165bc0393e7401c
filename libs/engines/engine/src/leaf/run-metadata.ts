/** Bytes of structured metadata by run, which volumes count: step *fetch, scan* of a query. */
import type { BlockInfo } from '@loki/segment';

/**
 * The metadata bytes of stored runs as volumes count them. They follow from the stored rows alone, so that a
 * worker counts each run once for as long as its segment stays opened: 8 bytes a run, beside the 40 of its
 * index.
 */
export class RunMetadata {
  readonly #byBlock = new WeakMap<BlockInfo, Float64Array>();

  /** A place for each run of the block; NaN: not counted yet. */
  of(info: BlockInfo): Float64Array {
    let bytes = this.#byBlock.get(info);
    if (!bytes) this.#byBlock.set(info, (bytes = new Float64Array(info.runs.count).fill(NaN)));
    return bytes;
  }
}
