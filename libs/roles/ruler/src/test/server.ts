/** Helper of ruler tests: an HTTP server that records requests and answers by script. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
  /** Status of the answer. */
  readonly status: number | 'hang';
}

/** An HTTP server that records requests and answers by script. */
export class TestServer {
  readonly requests: SeenRequest[] = [];
  /** Statuses of the next answers; then 200. `hang`: no answer. */
  readonly answers: (number | 'hang')[] = [];
  /** Status when `answers` is empty. */
  answerOf: (body: Buffer) => number = () => 200;
  headers: Record<string, string> = {};
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        const body = Buffer.concat(chunks);
        const answer = this.answers.shift() ?? this.answerOf(body);
        this.requests.push({ method, path: url, headers, body, status: answer });
        if (answer === 'hang') return;
        response.writeHead(answer, this.headers);
        response.end('answer text');
      });
    });
  }

  static async start(): Promise<TestServer> {
    const server = new TestServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts the connections of all requests without an answer. */
  hangUp(): void {
    this.#server.closeAllConnections();
  }

  stop(): void {
    this.hangUp();
    this.#server.close();
  }
}
