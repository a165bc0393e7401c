import net from 'node:net';

/**
 * How a link behaves. `mute`: requests arrive, and the connection is cut in place of the first answer;
 * `stop`: nothing arrives in either direction, and nobody is told; `refuse`: connections are cut as they
 * come.
 */
export type LinkMode = 'pass' | 'mute' | 'stop' | 'refuse';

export const linkModes: readonly LinkMode[] = ['pass', 'mute', 'stop', 'refuse'];

/** A TCP proxy before one port, to break the line between a client and its server. */
export class Link {
  #mode: LinkMode = 'pass';
  readonly #target: number;
  readonly #server: net.Server;
  readonly #pairs = new Set<{ client: net.Socket; target: net.Socket }>();

  constructor(target: number) {
    this.#target = target;
    this.#server = net.createServer((client) => this.#connect(client));
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
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
    client.on('data', (chunk: Buffer) => target.write(chunk));
    target.on('data', (chunk: Buffer) => {
      if (this.#mode === 'mute') end();
      else client.write(chunk);
    });
    if (this.#mode === 'stop') {
      client.pause();
      target.pause();
    }
  }
}
