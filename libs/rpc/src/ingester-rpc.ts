import type { IngesterService, LeafRequest, StreamsRequest } from '@loki/ports';
import type { HeadAnswer, LeafResult, StreamVolume, TailFrame } from '@loki/ports';
import { encodeMessage, HeadLeafAnswer, HeadStreamsAnswer, IngesterDefinition } from '@loki/proto';
import type { RpcChannel } from './channel.ts';
import {
  leafRequestFromWire,
  leafRequestToWire,
  leafResultFromWire,
  leafResultToWire,
  streamsRequestFromWire,
  streamsRequestToWire,
  streamVolumesFromWire,
  streamVolumesToWire,
  tailFrameFromWire,
  tailFrameToWire,
} from './leaf-codec.ts';
import { rpcMethod } from './method.ts';
import { joined, parts } from './parts.ts';
import { serverStreamMethod, unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const { methods } = IngesterDefinition;
const partitionsMethod = rpcMethod(IngesterDefinition, methods.partitions);
const queryHeadMethod = rpcMethod(IngesterDefinition, methods.queryHead);
const headStreamsMethod = rpcMethod(IngesterDefinition, methods.headStreams);
const tailMethod = rpcMethod(IngesterDefinition, methods.tail);
const flushMethod = rpcMethod(IngesterDefinition, methods.flush);

export interface IngesterClientOptions {
  /** An owner that takes longer is given up, and another one asked. Default 60 s. */
  readonly headDeadlineMs?: number;
}

const flushDeadlineMs = 300_000;
/** Asked to learn whether anybody is there. */
const partitionsDeadlineMs = 2_000;

/** Answers other processes' questions for what this ingester holds. */
export function serveIngester(server: RpcServer, ingester: IngesterService): void {
  server.add(IngesterDefinition.fullName, [
    unaryMethod(partitionsMethod, async () => ({ partitions: [...(await ingester.partitions())] })),
    serverStreamMethod(queryHeadMethod, async function* ({ partition, leaf }, { tenant, signal }) {
      const request = leafRequestFromWire(leaf, tenant());
      const { committedOffset, result } = await ingester.queryHead(partition, request, signal);
      yield* parts(
        encodeMessage(HeadLeafAnswer, {
          committedOffset: BigInt(committedOffset),
          result: leafResultToWire(result),
        }),
      );
    }),
    serverStreamMethod(headStreamsMethod, async function* ({ partition, streams }, { tenant, signal }) {
      const request = streamsRequestFromWire(streams, tenant());
      const { committedOffset, result } = await ingester.headStreams(partition, request, signal);
      yield* parts(
        encodeMessage(HeadStreamsAnswer, {
          committedOffset: BigInt(committedOffset),
          result: streamVolumesToWire(result),
        }),
      );
    }),
    serverStreamMethod(tailMethod, async function* ({ partition, leaf, fromOffset }, { tenant, signal }) {
      const request = leafRequestFromWire(leaf, tenant());
      const from = fromOffset === undefined ? undefined : Number(fromOffset);
      for await (const frame of ingester.tail(partition, request, signal, from)) yield tailFrameToWire(frame);
    }),
    unaryMethod(flushMethod, async (_, { signal }) => {
      await ingester.flush(signal);
      return {};
    }),
  ]);
}

/** An ingester in another process. */
export class IngesterClient implements IngesterService {
  readonly #channel: RpcChannel;
  readonly #headDeadlineMs: number;

  constructor(channel: RpcChannel, options: IngesterClientOptions = {}) {
    this.#channel = channel;
    this.#headDeadlineMs = options.headDeadlineMs ?? 60_000;
  }

  async partitions(): Promise<readonly number[]> {
    const answer = await this.#channel.unary(partitionsMethod, {}, { deadlineMs: partitionsDeadlineMs });
    return answer.partitions;
  }

  async queryHead(
    partition: number,
    request: LeafRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<LeafResult>> {
    const { tenant } = request;
    const bytes = await joined(
      this.#channel.serverStream(
        queryHeadMethod,
        { partition, leaf: leafRequestToWire(request) },
        { tenant, signal, deadlineMs: this.#headDeadlineMs },
      ),
    );
    const { committedOffset, result } = HeadLeafAnswer.decode(bytes);
    return { committedOffset: Number(committedOffset), result: leafResultFromWire(result) };
  }

  async headStreams(
    partition: number,
    request: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<readonly StreamVolume[]>> {
    const { tenant } = request;
    const bytes = await joined(
      this.#channel.serverStream(
        headStreamsMethod,
        { partition, streams: streamsRequestToWire(request) },
        { tenant, signal, deadlineMs: this.#headDeadlineMs },
      ),
    );
    const { committedOffset, result } = HeadStreamsAnswer.decode(bytes);
    return { committedOffset: Number(committedOffset), result: streamVolumesFromWire(result) };
  }

  async *tail(
    partition: number,
    request: LeafRequest,
    signal: AbortSignal,
    fromOffset?: number,
  ): AsyncGenerator<TailFrame> {
    const { tenant } = request;
    const from = fromOffset === undefined ? undefined : BigInt(fromOffset);
    const frames = this.#channel.serverStream(
      tailMethod,
      { partition, leaf: leafRequestToWire(request), fromOffset: from },
      { tenant, signal },
    );
    try {
      for await (const frame of frames) yield tailFrameFromWire(frame);
    } catch (error) {
      // Told to stop: that is how a tail ends.
      if (!signal.aborted) throw error;
    }
  }

  async flush(signal?: AbortSignal): Promise<void> {
    await this.#channel.unary(flushMethod, {}, { signal, deadlineMs: flushDeadlineMs });
  }
}
