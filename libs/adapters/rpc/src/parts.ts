/** Large answers as streams of small messages. */
import { LokiError, mib } from '@loki/model';
import { atOnce, inSlices } from '@loki/ports';
import type { Clock, SlicedWork, Timers } from '@loki/ports';
import type { Part } from '@loki/proto';

/**
 * Most bytes of one part: large enough that the cost per message is small, small enough to interleave with
 * other messages.
 */
const partBytesMax = mib;

/** Largest answer. A larger one must be a fault: it would not fit into a busy process. */
const messageBytesMax = 512 * mib;

/** The message in slices, at least one, without a copy. */
export function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  if (bytes.length <= partBytesMax) {
    yield bytes;
    return;
  }
  for (let at = 0; at < bytes.length; at += partBytesMax) yield bytes.subarray(at, at + partBytesMax);
}

/** The slices of a message that consists of pieces: small pieces are joined, large ones are not copied. */
export function* slicesOf(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  let isEmpty = true;
  const joinPending = (): Uint8Array => {
    const slice = pending.length === 1 ? pending[0] : Buffer.concat(pending, bytes);
    [pending, bytes, isEmpty] = [[], 0, false];
    return slice;
  };
  for (const piece of pieces) {
    if (bytes > 0 && bytes + piece.length > partBytesMax) yield joinPending();
    if (piece.length > partBytesMax) {
      isEmpty = false;
      yield* slices(piece);
      continue;
    }
    pending.push(piece);
    bytes += piece.length;
  }
  if (bytes > 0 || isEmpty) yield joinPending();
}

/** The slices as parts of an answer. */
export function* parts(pieces: readonly Uint8Array[]): Generator<Part> {
  for (const data of slicesOf(pieces)) yield { data };
}

/** Clock and timers, for slices on a shared thread. */
export interface SliceDeps {
  readonly clock: Clock;
  readonly timers: Timers;
}

export async function carryOn<T>(work: SlicedWork<T>, deps: SliceDeps | undefined): Promise<T> {
  return deps ? inSlices(work, deps) : atOnce(work);
}

/** Joins the parts of an answer. */
export async function joinParts(stream: AsyncIterable<Part>): Promise<Uint8Array> {
  const joiner = new PartJoiner();
  for await (const { data } of stream) joiner.add(data);
  return joiner.take();
}

/** Joins slices; a single slice is not copied. */
export class PartJoiner {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  add(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > messageBytesMax) {
      this.#parts = [];
      throw new LokiError('overloaded', `an answer of more than ${messageBytesMax} bytes`);
    }
    this.#parts.push(part);
  }

  /** Returns the message and starts a new one. */
  take(): Uint8Array {
    const message = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    return message;
  }
}
