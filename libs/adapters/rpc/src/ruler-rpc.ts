/** Calls between rulers over gRPC. */
import type { TenantId } from '@loki/model';
import type { RulerService } from '@loki/ports';
import { RulerDefinition } from '@loki/proto';
import { rpcMethod } from './method.ts';
import { joinParts, parts } from './parts.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { serverStreamMethod, unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const groupsMethod = rpcMethod(RulerDefinition, RulerDefinition.methods.groups);
const rulesChangedMethod = rpcMethod(RulerDefinition, RulerDefinition.methods.rulesChanged);

/** Short, because users wait for the answers and rulers have them in memory. */
const deadlineMs = 5_000;

/** Adds the gRPC service of this ruler to a server, for other rulers. */
export function serveRuler(server: RpcServer, ruler: RulerService): void {
  server.add(RulerDefinition.fullName, [
    serverStreamMethod(groupsMethod, async function* (_, { tenant, signal }) {
      yield* parts([Buffer.from(await ruler.groups(tenant(), signal))]);
    }),
    unaryMethod(rulesChangedMethod, async (_, { tenant, signal }) => {
      await ruler.rulesChanged(tenant(), signal);
      return {};
    }),
  ]);
}

/** Calls to another ruler over gRPC. A silent peer is LokiError `unavailable`. */
export class RulerClient implements RulerService {
  readonly #channel: RpcChannel;

  constructor(channel: RpcChannel) {
    this.#channel = channel;
  }

  async groups(tenant: TenantId, signal?: AbortSignal): Promise<string> {
    const stream = this.#channel.serverStream(groupsMethod, {}, { tenant, signal, deadlineMs });
    const bytes = await joinParts(stream);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  }

  async rulesChanged(tenant: TenantId, signal?: AbortSignal): Promise<void> {
    await this.#channel.unary(rulesChangedMethod, {}, { tenant, signal, deadlineMs });
  }
}
