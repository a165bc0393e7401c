/** The parts of two protocols that show which answers acknowledge lines. */
import type { Protocol } from './link.ts';

const produceKey = 0;

/** Answers to pushes over HTTP. One request at a time is under way on a connection. */
export class PushAnswers implements Protocol {
  #isPush = false;

  observe(chunk: Buffer): void {
    const head = chunk.toString('latin1', 0, 32);
    if (/^[A-Z]+ \//.test(head)) this.#isPush = head.startsWith('POST /loki/api/v1/push');
  }

  answers(): boolean {
    const isPush = this.#isPush;
    this.#isPush = false;
    return isPush;
  }
}

/** Answers to Produce requests of Kafka, by their correlation ids. */
export class ProduceAnswers implements Protocol {
  readonly #requests = new Frames();
  readonly #answers = new Frames();
  readonly #produced = new Set<number>();
  readonly #onRequest: ((apiKey: number) => void) | undefined;

  /** @param onRequest receives the API key of each request of the client */
  constructor(onRequest?: (apiKey: number) => void) {
    this.#onRequest = onRequest;
  }

  observe(chunk: Buffer): void {
    // api key (2 bytes), version (2), correlation id (4)
    for (const head of this.#requests.heads(chunk)) {
      const apiKey = head.readInt16BE(0);
      this.#onRequest?.(apiKey);
      if (apiKey === produceKey) this.#produced.add(head.readInt32BE(4));
    }
  }

  answers(chunk: Buffer): boolean {
    // correlation id (4 bytes)
    const heads = this.#answers.heads(chunk);
    return heads.filter((head) => this.#produced.delete(head.readInt32BE(0))).length > 0;
  }
}

/** The first bytes of frames that begin with their length, over chunks that end anywhere. */
class Frames {
  /** Bytes of the current frame that are still to come. */
  #bodyBytes = 0;
  #begun = Buffer.alloc(0);

  /** Heads of the frames whose first eight bytes are known with this chunk. */
  heads(chunk: Buffer): Buffer[] {
    const heads: Buffer[] = [];
    for (let remainder = chunk; remainder.length > 0;) {
      const skipped = Math.min(this.#bodyBytes, remainder.length);
      this.#bodyBytes -= skipped;
      const bytes = Buffer.concat([this.#begun, remainder.subarray(skipped)]);
      this.#begun = Buffer.alloc(0);
      // Every frame of Kafka has at least eight bytes after its length, answers included.
      if (bytes.length < lengthBytes + headBytes) {
        if (this.#bodyBytes === 0) this.#begun = bytes;
        return heads;
      }
      heads.push(bytes.subarray(lengthBytes, lengthBytes + headBytes));
      this.#bodyBytes = bytes.readInt32BE(0) - headBytes;
      remainder = bytes.subarray(lengthBytes + headBytes);
    }
    return heads;
  }
}

const lengthBytes = 4;
const headBytes = 8;
