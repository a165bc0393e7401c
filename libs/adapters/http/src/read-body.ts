/** Bodies of requests, bounded while they arrive: step *admit* of a written line. */
import type { IncomingMessage } from 'node:http';
import { freeMemory, LokiError } from '@loki/model';
import type { TimerHandle } from '@loki/ports';
import type { BodyRoom, WaitingBody } from './body-room.ts';

/** A larger body must keep arriving, because it takes room that others need. */
const freeBytes = 64 * 1024;
/** Interval of checks of a body's progress, and the least progress: 32 kbit/s. */
const rateEveryMs = 5_000;
const rateBytesMin = 20 * 1024;

/**
 * Room that a body with an announced length takes before its bytes arrive: batches of common agents are
 * smaller, so that a body that has started need not wait halfway.
 */
const aheadBytesMax = 2 * 1024 * 1024;

/**
 * Chunks below this size are copied together: Node gives each its own memory, so that a body in chunks of a
 * byte held 400 bytes for each.
 */
const smallChunkBytes = 1_024;
const slabBytes = 16 * 1024;
/**
 * Chunks of a body: each costs microseconds of the main thread. Clients that send each line as a chunk stay
 * below.
 */
const freeChunks = 4_096;
const bytesPerChunk = 64;

/** The tenant whose share a body takes: the one in the request, verified or not. */
export function holderOf({ headers }: IncomingMessage): string {
  return String(headers['x-scope-orgid'] ?? '').slice(0, holderCharsMax);
}

const holderCharsMax = 150;

/** A new connection costs about as much as reading this number of bytes. */
const restBytesMax = 256 * 1024;

/** Whether the rest of a refused body is read, so that its connection stays. */
export function isShort({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length'] ?? Infinity) <= restBytesMax;
}

/** Whether the headers announce a body. */
export function hasBody(message: IncomingMessage): boolean {
  const { headers } = message;
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

/**
 * Reads the complete body, still encoded. Memory follows the received bytes: the announced length reserves
 * `aheadBytesMax` at most, and nothing before the first byte is there.
 *
 * @param room the caller must return `body.length` bytes to it on success, none on failure
 * @throws LokiError 413 beyond `bytesMax`, or beyond the whole room; 503 when the body has
 *   waited too long for room, 408 for a large body that stops coming, 499 when the client leaves
 */
export function readBody(message: IncomingMessage, bytesMax: number, room: BodyRoom): Promise<Buffer> {
  const mostBytes = Math.min(bytesMax, room.bodyBytesMax);
  const lengthText = message.headers['content-length'];
  const announced = lengthText === undefined ? undefined : Number(lengthText);
  if (announced !== undefined && announced > mostBytes) return Promise.reject(tooLarge(mostBytes));
  return new BodyReader(message, room, { mostBytes, announced }).done;
}

interface BodyLengths {
  readonly mostBytes: number;
  readonly announced: number | undefined;
}

class BodyReader {
  readonly done: Promise<Buffer>;
  readonly #message: IncomingMessage;
  readonly #room: BodyRoom;
  readonly #lengths: BodyLengths;
  readonly #holder: string;
  readonly #outcome = Promise.withResolvers<Buffer>();
  readonly #onData = (chunk: Buffer): void => this.#receive(chunk);
  #chunks: Buffer[] = [];
  #chunkCount = 0;
  /** Small chunks, which follow those of `#chunks`, and the bytes that they take. */
  #slab: Buffer | undefined;
  #slabBytes = 0;
  /** The memory of a body of known length that is small enough: its chunks are freed as they arrive. */
  #whole: Buffer | undefined;
  #bytes = 0;
  #reservedBytes = 0;
  #waiting: WaitingBody | undefined;
  #rate: TimerHandle | undefined;
  #isOver = false;

  constructor(message: IncomingMessage, room: BodyRoom, lengths: BodyLengths) {
    this.#message = message;
    this.#room = room;
    this.#lengths = lengths;
    this.#holder = holderOf(message);
    this.done = this.#outcome.promise;
    message.on('data', this.#onData);
    message.once('end', () => this.#end());
    message.once('close', () => {
      if (message.complete && !this.#waiting) return;
      this.#fail(new LokiError('clientGone', 'the request was cancelled by the client'));
    });
    // 'close' follows and is handled; without a listener the error would end the process.
    message.once('error', () => undefined);
  }

  #receive(chunk: Buffer): void {
    const { mostBytes } = this.#lengths;
    const at = this.#bytes;
    this.#bytes += chunk.length;
    if (this.#bytes > mostBytes) {
      this.#fail(tooLarge(mostBytes));
      return;
    }
    if (++this.#chunkCount > freeChunks + this.#bytes / bytesPerChunk) {
      this.#fail(tooManyChunks());
      return;
    }
    if (this.#whole) {
      chunk.copy(this.#whole, at);
      freeMemory(chunk);
    } else this.#keep(chunk);
    if (this.#bytes > this.#reservedBytes) this.#reserve();
  }

  #keep(chunk: Buffer): void {
    const isSmall = chunk.length < smallChunkBytes && this.#chunkCount > 1;
    if (this.#slab && (!isSmall || this.#slabBytes + chunk.length > slabBytes)) this.#closeSlab();
    if (!isSmall) {
      this.#chunks.push(chunk);
      return;
    }
    this.#slab ??= Buffer.allocUnsafeSlow(slabBytes);
    this.#slabBytes += chunk.copy(this.#slab, this.#slabBytes);
  }

  #closeSlab(): void {
    if (this.#slab) this.#chunks.push(this.#slab.subarray(0, this.#slabBytes));
    this.#slab = undefined;
    this.#slabBytes = 0;
  }

  #reserve(): void {
    const missing = this.#bytes - this.#reservedBytes;
    const { announced } = this.#lengths;
    const growthBytes = Math.max(missing, Math.min(announced ?? this.#reservedBytes, aheadBytesMax));
    const bytes =
      announced === undefined ? growthBytes : Math.min(growthBytes, announced - this.#reservedBytes);
    try {
      this.#waiting = this.#room.take(this.#holder, bytes, {
        onRoom: (error) => this.#onRoom(bytes, error),
        isUnderWay: this.#reservedBytes > 0,
      });
    } catch (error) {
      this.#fail(error as LokiError);
      return;
    }
    if (!this.#waiting) {
      this.#reserved(bytes);
      return;
    }
    // The body waits for room, so its progress is not checked.
    this.#rate?.cancel();
    this.#rate = undefined;
    this.#message.pause();
  }

  #onRoom(bytes: number, error: LokiError | undefined): void {
    this.#waiting = undefined;
    if (error) {
      this.#fail(error);
      return;
    }
    this.#reserved(bytes);
    this.#message.resume();
  }

  #reserved(bytes: number): void {
    this.#reservedBytes += bytes;
    const { announced } = this.#lengths;
    if (announced === this.#reservedBytes && announced <= aheadBytesMax && announced > this.#bytes) {
      this.#joinInto(Buffer.allocUnsafeSlow(announced));
    }
    if (!this.#rate && this.#reservedBytes > freeBytes) this.#watchRate(this.#bytes);
  }

  #joinInto(whole: Buffer): void {
    this.#closeSlab();
    let at = 0;
    for (const chunk of this.#chunks) {
      at += chunk.copy(whole, at);
      freeMemory(chunk);
    }
    this.#chunks = [];
    this.#whole = whole;
  }

  #watchRate(lastBytes: number): void {
    this.#rate = this.#room.timers.after(rateEveryMs, () => {
      if (this.#bytes - lastBytes < rateBytesMin) this.#fail(stalled());
      else this.#watchRate(this.#bytes);
    });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#rate?.cancel();
    const unusedBytes = this.#reservedBytes - this.#bytes;
    if (unusedBytes > 0) this.#room.give(this.#holder, unusedBytes);
    this.#closeSlab();
    if (this.#whole) this.#outcome.resolve(this.#whole);
    else if (this.#chunks.length === 1) this.#outcome.resolve(this.#chunks[0]);
    else {
      this.#outcome.resolve(Buffer.concat(this.#chunks, this.#bytes));
      for (const chunk of this.#chunks) freeMemory(chunk);
    }
  }

  #fail(error: LokiError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#message.off('data', this.#onData);
    this.#rate?.cancel();
    if (this.#waiting) this.#room.leave(this.#waiting);
    if (this.#reservedBytes > 0) this.#room.give(this.#holder, this.#reservedBytes);
    for (const chunk of this.#chunks) freeMemory(chunk);
    this.#chunks = [];
    this.#slab = undefined;
    this.#whole = undefined;
    this.#outcome.reject(error);
  }
}

function stalled(): LokiError {
  return new LokiError(
    'bodyStalled',
    `request body stopped coming: less than ${rateBytesMin} bytes in ${rateEveryMs / 1000} s`,
  );
}

function tooManyChunks(): LokiError {
  return new LokiError(
    'badRequest',
    `request body comes in chunks that are too small: less than ${bytesPerChunk} bytes`,
  );
}

function tooLarge(bytesMax: number): LokiError {
  return new LokiError('bodyTooLarge', `request body too large, limit: ${bytesMax} bytes`);
}
