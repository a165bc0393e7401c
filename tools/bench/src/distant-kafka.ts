/**
 * One broker of Kafka in this process, a round trip away: it acknowledges batches of one topic and stores
 * none. It answers only the requests of the write log.
 */
import net from 'node:net';
import type { AddressInfo } from 'node:net';

/** API keys, and the one version of each that it answers. */
const versions: ReadonlyMap<number, readonly [min: number, max: number]> = new Map([
  [0, [7, 8]],
  [1, [11, 11]],
  [2, [5, 5]],
  [3, [0, 5]],
  [18, [0, 0]],
  [22, [1, 1]],
]);

/** Writes big-endian fields, as Kafka's protocol has them. */
class Fields {
  readonly #parts: Buffer[] = [];

  i8(value: number): this {
    return this.#add(1, (bytes) => bytes.writeInt8(value));
  }
  i16(value: number): this {
    return this.#add(2, (bytes) => bytes.writeInt16BE(value));
  }
  i32(value: number): this {
    return this.#add(4, (bytes) => bytes.writeInt32BE(value));
  }
  i64(value: number): this {
    return this.#add(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)));
  }
  text(value: string): this {
    this.i16(Buffer.byteLength(value));
    this.#parts.push(Buffer.from(value));
    return this;
  }
  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #add(size: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.alloc(size);
    write(bytes);
    this.#parts.push(bytes);
    return this;
  }
}

/** A running broker. */
interface DistantKafka {
  readonly address: string;
  readonly topic: string;
  close(): Promise<void>;
}

/** Starts a broker that answers each request `roundTripMs` after it came; others come meanwhile. */
export async function startDistantKafka(roundTripMs: number): Promise<DistantKafka> {
  const topic = 'bench';
  const sockets = new Set<net.Socket>();
  let port = 0;
  let end = 0;

  const metadata = (): Fields => {
    const answer = new Fields().i32(0).i32(1).i32(1).text('127.0.0.1').i32(port).i16(-1).i16(-1).i32(1);
    answer.i32(1).i16(0).text(topic).i8(0).i32(1).i16(0).i32(0).i32(1);
    return answer.i32(1).i32(1).i32(1).i32(1).i32(0);
  };
  const produced = (body: Buffer): Fields => {
    // No transactional id, acks and timeout, one topic with one partition: its number and the batch's size.
    const batch = 2 + 2 + 4 + 4 + 2 + Buffer.byteLength(topic) + 4 + 4 + 4;
    const baseOffset = end;
    end += body.readInt32BE(batch + 57);
    const answer = new Fields().i32(1).text(topic).i32(1).i32(0).i16(0).i64(baseOffset).i64(-1).i64(0);
    return answer.i32(0);
  };
  const offsets = (): Fields =>
    new Fields().i32(0).i32(1).text(topic).i32(1).i32(0).i16(0).i64(-1).i64(end).i32(0);
  const apiVersions = (): Fields => {
    const answer = new Fields().i16(0).i32(versions.size);
    for (const [key, [min, max]] of versions) answer.i16(key).i16(min).i16(max);
    return answer;
  };
  const answerTo = (request: Buffer): Fields => {
    const apiKey = request.readInt16BE(0);
    const body = request.subarray(10 + Math.max(0, request.readInt16BE(8)));
    switch (apiKey) {
      case 0:
        return produced(body);
      case 2:
        return offsets();
      case 3:
        return metadata();
      case 18:
        return apiVersions();
      case 22:
        return new Fields().i32(0).i16(0).i64(7).i16(0);
      default:
        throw new Error(`no answer to requests with API key ${apiKey}`);
    }
  };

  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined); // the client has disconnected
    socket.on('close', () => sockets.delete(socket));
    let pieces: Buffer[] = [];
    let size = 0;
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece);
      size += piece.length;
      let bytes = pieces[0];
      if (bytes.length < 4) bytes = Buffer.concat(pieces);
      if (size < 4 || size < 4 + bytes.readInt32BE(0)) return;
      bytes = Buffer.concat(pieces);
      let at = 0;
      for (; at + 4 <= size && at + 4 + bytes.readInt32BE(at) <= size; at += 4 + bytes.readInt32BE(at)) {
        const request = bytes.subarray(at + 4, at + 4 + bytes.readInt32BE(at));
        const answer = answerTo(request).bytes;
        const head = new Fields().i32(answer.length + 4).i32(request.readInt32BE(4)).bytes;
        setTimeout(() => socket.write(Buffer.concat([head, answer])), roundTripMs);
      }
      pieces = [bytes.subarray(at)];
      size -= at;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  return {
    address: `127.0.0.1:${port}`,
    topic,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
