/** Runs the WebAssembly kernel of search filters over texts of any length. */
import { bitmapBits, placeMask } from './filter-grams.ts';
import { bitmapAt, chunkBytes, kernelExports, overreach, textAt } from './filter-kernel-wasm.ts';

/**
 * Bytes that neighbouring chunks share: more than a window, so that each window lies completely in one chunk.
 */
const sharedBytes = 16;

/** Marks places of a bitmap: those of a text's grams, and single places. */
export interface Kernel {
  markText(text: Uint8Array): void;
  mark(place: number): void;
  /** A copy of the bitmap; the kernel's own bitmap is then empty. */
  collect(): Uint8Array;
}

/** The kernel of this thread, created at first use: 0.6 MiB of memory. */
export function wasmKernel(): Kernel {
  kernel ??= new WasmKernel();
  return kernel;
}

let kernel: Kernel | undefined;

class WasmKernel implements Kernel {
  readonly #exports = kernelExports();
  readonly #memory = new Uint8Array(this.#exports.memory.buffer);

  markText(text: Uint8Array): void {
    for (const chunk of chunksOf(text)) {
      const end = textAt + chunk.length;
      this.#memory.set(chunk, textAt);
      this.#memory.fill(0, end, end + overreach);
      this.#exports.fold(textAt, end + overreach);
      this.#exports.mark(textAt, end);
    }
  }

  mark(place: number): void {
    this.#memory[place & placeMask] = 0xff;
  }

  collect(): Uint8Array {
    this.#exports.collect(bitmapAt);
    return this.#memory.slice(bitmapAt, bitmapAt + bitmapBits / 8);
  }
}

/** The chunks of a text, which are marked one by one. */
export function* chunksOf(text: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < text.length; from += chunkBytes - sharedBytes) {
    yield text.subarray(from, from + chunkBytes);
    if (from + chunkBytes >= text.length) return;
  }
}
