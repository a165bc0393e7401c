/** gRPC channels to the members of a ring. */
import { RpcChannel } from './rpc-channel.ts';
import type { ChannelDeps } from './rpc-channel.ts';

/** One gRPC channel for each address, as long as the ring has the address. */
export class ChannelPool {
  readonly #deps: ChannelDeps;
  readonly #channels = new Map<string, RpcChannel>();

  constructor(deps: ChannelDeps) {
    this.#deps = deps;
  }

  to(address: string): RpcChannel {
    let channel = this.#channels.get(address);
    if (!channel) this.#channels.set(address, (channel = new RpcChannel(address, this.#deps)));
    return channel;
  }

  /** Closes the channels to all other addresses. */
  keep(addresses: ReadonlySet<string>): void {
    for (const address of this.#channels.keys()) if (!addresses.has(address)) this.drop(address);
  }

  /** Closes the channel to an address whose calls have ended: with calls the connection would stay open. */
  drop(address: string): void {
    this.#channels.get(address)?.close();
    this.#channels.delete(address);
  }

  close(): void {
    this.keep(new Set());
  }
}
