/** A TCP proxy in front of a service that can be muted, stopped or cut. */
import net from 'node:net';

/**
 * Behaviour of a link. `mute`: requests arrive, and the connection is cut in place of the first answer;
 * `stop`: no byte arrives in either direction, and both ends keep the connection; `refuse`: connections are
 * cut at once.
 */
export type LinkMode = 'pass' | 'mute' | 'stop' | 'refuse';

export const linkModes: readonly LinkMode[] = ['pass', 'mute', 'stop', 'refuse'];

/** Finds answers that matter; one for each connection. */
export interface Protocol {
  /** Bytes of the client. */
  observe(chunk: Buffer): void;
  /** Bytes of the server: whether they begin or hold an answer that matters. */
  answers(chunk: Buffer): boolean;
}

/** Bad days of a server behind a link. */
export interface Weather {
  /** Before bytes of a client go on: a further delay in ms, or an answer in the server's place. */
  request(chunk: Buffer): { readonly delayMs: number; readonly answer?: Buffer };
  /** Milliseconds until a client has received that many bytes of the server, behind all earlier ones. */
  answerMs(bytes: number): number;
}

interface Cuts {
  left: number;
  readonly every: number;
  matchCount: number;
  readonly done: () => void;
}

/** A TCP proxy before one port, to break the line between a client and its server. */
export class Link {
  /** Delay of each chunk of a client to the server: an HTTP request without a body is delayed once. */
  delayMs = 0;
  /** Absent: a fine day. */
  weather: Weather | undefined;
  #mode: LinkMode = 'pass';
  readonly #target: number;
  readonly #server: net.Server;
  readonly #pairs = new Set<{ client: net.Socket; target: net.Socket }>();
  readonly #protocol: (() => Protocol) | undefined;
  #cuts: Cuts | undefined;

  /** @param protocol decides which answers `cutAnswers` counts */
  constructor(target: number, protocol?: () => Protocol) {
    this.#target = target;
    this.#protocol = protocol;
    this.#server = net.createServer((client) => this.#connect(client));
  }

  listen(port: number, host = '127.0.0.1'): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, host, resolve));
  }

  set mode(mode: LinkMode) {
    const wasStopped = this.#mode === 'stop';
    this.#mode = mode;
    for (const { client, target } of this.#pairs) {
      if (mode === 'refuse') client.destroy();
      for (const socket of [client, target]) {
        if (mode === 'stop') socket.pause();
        else if (wasStopped) socket.resume();
      }
    }
  }

  /** Ends connections in place of every `every`th answer that matters; resolves after `count` of them. */
  cutAnswers({ count, every }: { readonly count: number; readonly every: number }): Promise<void> {
    return new Promise((done) => (this.#cuts = { left: count, every, matchCount: 0, done }));
  }

  async close(): Promise<void> {
    for (const { client, target } of this.#pairs) {
      client.destroy();
      target.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connect(client: net.Socket): void {
    if (this.#mode === 'refuse') {
      client.destroy();
      return;
    }
    const target = net.connect({ host: '127.0.0.1', port: this.#target });
    const pair = { client, target };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      target.destroy();
    };
    for (const socket of [client, target]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    const protocol = this.#protocol?.();
    client.on('data', (chunk: Buffer) => {
      protocol?.observe(chunk);
      const { delayMs = 0, answer } = this.weather?.request(chunk) ?? {};
      const send = (): void => void (answer ? client.write(answer) : target.write(chunk));
      if (this.delayMs + delayMs === 0) send();
      else setTimeout(send, this.delayMs + delayMs);
    });
    target.on('data', (chunk: Buffer) => {
      const matters = protocol?.answers(chunk) ?? false;
      const delayMs = this.weather?.answerMs(chunk.length) ?? 0;
      if (this.#mode === 'mute' || (matters && this.#isCut())) end();
      else if (delayMs > 0) setTimeout(() => client.write(chunk), delayMs);
      else client.write(chunk);
    });
    if (this.#mode === 'stop') {
      client.pause();
      target.pause();
    }
  }

  #isCut(): boolean {
    const cuts = this.#cuts;
    if (!cuts || ++cuts.matchCount % cuts.every !== 0) return false;
    if (--cuts.left === 0) {
      this.#cuts = undefined;
      cuts.done();
    }
    return true;
  }
}
