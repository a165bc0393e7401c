/** Questions for patterns over gRPC. */
import type { PatternSeries, PatternService, PatternsRequest } from '@loki/ports';
import { encodeMessage, PatternsAnswer, PatternsDefinition } from '@loki/proto';
import { bytesOf, float64Column, malformed } from './columns.ts';
import { rpcMethod } from './method.ts';
import { PartJoiner, slices } from './parts.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { serverStreamMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const patternsMethod = rpcMethod(PatternsDefinition, PatternsDefinition.methods.patterns);

/** Short, because the answer is in memory. */
const patternsDeadlineMs = 10_000;

/** Serves the patterns of this process's lines to other processes. */
export function servePatterns(server: RpcServer, service: PatternService): void {
  server.add(PatternsDefinition.fullName, [
    serverStreamMethod(patternsMethod, async function* (request, { tenant, signal }) {
      const patterns = await service.patterns({ ...request, tenant: tenant() }, signal);
      const series = patterns.map(({ pattern, level, samples }) => ({
        pattern,
        level,
        seconds: bytesOf(Float64Array.from(samples, ([seconds]) => seconds)),
        lines: bytesOf(Float64Array.from(samples, ([, lines]) => lines)),
      }));
      for (const data of slices(encodeMessage(PatternsAnswer, { series }))) yield { data };
    }),
  ]);
}

/** The port PatternService over gRPC. A silent peer is LokiError `unavailable`. */
export class PatternsClient implements PatternService {
  readonly #channel: RpcChannel;

  constructor(channel: RpcChannel) {
    this.#channel = channel;
  }

  async patterns(request: PatternsRequest, signal?: AbortSignal): Promise<readonly PatternSeries[]> {
    const { tenant, ...wire } = request;
    const joiner = new PartJoiner();
    const options = { tenant, signal, deadlineMs: patternsDeadlineMs };
    for await (const { data } of this.#channel.serverStream(patternsMethod, wire, options)) joiner.add(data);
    return PatternsAnswer.decode(joiner.take()).series.map(({ pattern, level, ...columns }) => {
      const [seconds, lines] = [float64Column(columns.seconds), float64Column(columns.lines)];
      if (seconds.length !== lines.length) throw malformed('columns of different lengths');
      return { pattern, level, samples: Array.from(seconds, (second, i) => [second, lines[i]] as const) };
    });
  }
}
