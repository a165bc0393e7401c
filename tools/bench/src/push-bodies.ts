/** The encoded push bodies of a data set of the benchmark harness. */
import fs from 'node:fs';
import path from 'node:path';

/** A body's place in its file, and its content. */
interface PushBatch {
  /** Offset and length in the file, in bytes. */
  readonly o: number;
  readonly l: number;
  /** The agent that sends it: bodies of one agent stay in order. */
  readonly a: number;
  /** Bytes of lines. */
  readonly r: number;
}

/** Reads bodies from the open file; `close` ends that. */
export class PushBodies {
  readonly batches: readonly PushBatch[];
  readonly #file: number;

  constructor(directory: string, name: 'main.proto' | 'main.json') {
    const file = path.join(directory, name);
    this.batches = JSON.parse(fs.readFileSync(`${file}.idx.json`, 'utf8')) as PushBatch[];
    this.#file = fs.openSync(file, 'r');
  }

  read({ o, l }: PushBatch): Buffer<ArrayBuffer> {
    const body = Buffer.alloc(l);
    fs.readSync(this.#file, body, 0, l, o);
    return body;
  }

  close(): void {
    fs.closeSync(this.#file);
  }
}
