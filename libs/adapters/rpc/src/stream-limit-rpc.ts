/** Claims of streams over gRPC: step *limit* of a written line. */
import { parseTenantId } from '@loki/model';
import type { StreamClaim, StreamLimitService } from '@loki/ports';
import { StreamLimitsDefinition } from '@loki/proto';
import { bytesOf, float64Column, malformed } from './columns.ts';
import { rpcMethod } from './method.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const claimMethod = rpcMethod(StreamLimitsDefinition, StreamLimitsDefinition.methods.claim);

/** Short, because a push waits for the answer. */
const claimDeadlineMsDefault = 500;

/** Serves the counter of tenants' streams to distributors. */
export function serveStreamLimits(server: RpcServer, limits: StreamLimitService): void {
  server.add(StreamLimitsDefinition.fullName, [
    unaryMethod(claimMethod, async ({ claims }, { signal }) => {
      const read = claims.map(({ tenant, activeMax, held, wanted }): StreamClaim => ({
        tenant: parseTenantId(tenant),
        activeMax,
        activeStreams: float64Column(held),
        newStreams: float64Column(wanted),
      }));
      return { admitted: [...(await limits.claim(read, signal))] };
    }),
  ]);
}

/**
 * The port StreamLimits over gRPC, with a short deadline because a push waits. A silent peer is LokiError
 * `unavailable`.
 */
export class StreamLimitsClient implements StreamLimitService {
  readonly #channel: RpcChannel;
  readonly #deadlineMs: number;

  constructor(channel: RpcChannel, deadlineMs = claimDeadlineMsDefault) {
    this.#channel = channel;
    this.#deadlineMs = deadlineMs;
  }

  async claim(claims: readonly StreamClaim[], signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    const { admitted } = await this.#channel.unary(
      claimMethod,
      {
        claims: claims.map(({ tenant, activeMax, activeStreams: held, newStreams: wanted }) => ({
          tenant,
          activeMax,
          held: bytesOf(held),
          wanted: bytesOf(wanted),
        })),
      },
      { signal, deadlineMs: this.#deadlineMs },
    );
    const fits =
      admitted.length === claims.length &&
      claims.every(({ newStreams: wanted }, i) => wanted.length === admitted[i].length);
    if (!fits) throw malformed('verdicts for other streams than were claimed');
    return admitted;
  }
}
