import { RpcChannel } from './rpc-channel.ts';
import type { ChannelDeps } from './rpc-channel.ts';

/** One gRPC channel for each address, kept as long as the ring names the address. */
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
    for (const [address, channel] of this.#channels) {
      if (addresses.has(address)) continue;
      channel.close();
      this.#channels.delete(address);
    }
  }

  close(): void {
    this.keep(new Set());
  }
}
