/** Helper of lokictl tests: runs commands against a scripted server. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { run } from '../run.ts';

/** A command's output and exit code. */
export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A real HTTP server for commands to ask. */
export class TestPeer {
  /** Waits between tries, in ms. */
  readonly pauses: number[] = [];
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
  }

  static async start(answer: http.RequestListener): Promise<TestPeer> {
    const server = http.createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TestPeer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Runs lokictl with the server as `LOKI_ADDR`. */
  async lokictl(...words: string[]): Promise<Said> {
    let [out, err] = ['', ''];
    const code = await run(words, {
      out: (text) => (out += text),
      err: (text) => (err += text),
      env: (name) => (name === 'LOKI_ADDR' ? this.url : undefined),
      readFile: () => Promise.reject(new Error('nothing is read')),
      pause: (ms) => {
        this.pauses.push(ms);
        return Promise.resolve();
      },
    });
    return { code, out, err };
  }

  /** From now on nothing is answered. */
  fallSilent(): void {
    this.#server.removeAllListeners('request');
  }

  stop(): Promise<unknown> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A partition as its leader shows it. */
export const leader = {
  instance: 'ingester-1',
  isLeader: true,
  isCaughtUp: true,
  committedOffset: 10,
  consumedOffset: 12,
  endOffset: 15,
  headRecords: 2,
  headBytes: 3 << 20,
};
