import { LokiError } from '@loki/model';
import type {
  IngesterService,
  LeafRequest,
  StreamsRequest,
  HeadAnswer,
  LeafResult,
  StreamVolume,
  TailFrame,
} from '@loki/ports';
import { encodeMessage, HeadLeafAnswer, HeadStreamsAnswer, IngesterDefinition } from '@loki/proto';
import { HeadsCaller, headsParts } from './heads-call.ts';
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
import type { RpcChannel } from './rpc-channel.ts';
import { serverStreamMethod, unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const { methods } = IngesterDefinition;
const partitionsMethod = rpcMethod(IngesterDefinition, methods.partitions);
const queryHeadMethod = rpcMethod(IngesterDefinition, methods.queryHead);
const headStreamsMethod = rpcMethod(IngesterDefinition, methods.headStreams);
const queryHeadsMethod = rpcMethod(IngesterDefinition, methods.queryHeads);
const tailMethod = rpcMethod(IngesterDefinition, methods.tail);
const flushMethod = rpcMethod(IngesterDefinition, methods.flush);

interface IngesterClientOptions {
  /** An owner that takes longer is given up, and another one asked. Default 60 s. */
  readonly headDeadlineMs?: number;
}

const flushDeadlineMs = 300_000;
/** Of one question: more than a log has partitions. */
const partitionsMax = 10_000;
/** Asked to learn whether anybody is there. */
const partitionsDeadlineMs = 2_000;

/** Answers other processes' questions for what this ingester holds. */
export function serveIngester(server: RpcServer, ingester: IngesterService): void {
  server.add(IngesterDefinition.fullName, [
    unaryMethod(partitionsMethod, async () => ({ partitions: [...(await ingester.partitions())] })),
    serverStreamMethod(queryHeadMethod, async function* ({ partition, leaf }, { tenant, signal }) {
      const request = leafRequestFromWire(leaf, tenant());
      yield* parts(await leafAnswer(ingester, partition, request, signal));
    }),
    serverStreamMethod(headStreamsMethod, async function* ({ partition, streams }, { tenant, signal }) {
      const request = streamsRequestFromWire(streams, tenant());
      yield* parts(await streamsAnswer(ingester, partition, request, signal));
    }),
    serverStreamMethod(queryHeadsMethod, ({ partitions, question }, { tenant, signal }) => {
      if (partitions.length > partitionsMax) {
        throw new LokiError('badRequest', `more than ${partitionsMax} partitions at once`);
      }
      if (question?.$case === 'leaf') {
        const request = leafRequestFromWire(question.leaf, tenant());
        return headsParts(partitions, (each) => leafAnswer(ingester, each, request, signal));
      }
      const request = streamsRequestFromWire(question?.streams, tenant());
      return headsParts(partitions, (each) => streamsAnswer(ingester, each, request, signal));
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

async function leafAnswer(
  ingester: IngesterService,
  partition: number,
  request: LeafRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { committedOffset, result } = await ingester.queryHead(partition, request, signal);
  return encodeMessage(HeadLeafAnswer, {
    committedOffset: BigInt(committedOffset),
    result: leafResultToWire(result),
  });
}

async function streamsAnswer(
  ingester: IngesterService,
  partition: number,
  request: StreamsRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { committedOffset, result } = await ingester.headStreams(partition, request, signal);
  return encodeMessage(HeadStreamsAnswer, {
    committedOffset: BigInt(committedOffset),
    result: streamVolumesToWire(result),
  });
}

/** An ingester in another process. */
export class IngesterClient implements IngesterService {
  readonly #channel: RpcChannel;
  readonly #leaves: HeadsCaller<LeafRequest>;
  readonly #streams: HeadsCaller<StreamsRequest>;

  constructor(channel: RpcChannel, options: IngesterClientOptions = {}) {
    this.#channel = channel;
    const deadlineMs = options.headDeadlineMs ?? 60_000;
    this.#leaves = new HeadsCaller({
      one: (partition, request, signal) => {
        const wire = { partition, leaf: leafRequestToWire(request) };
        const { tenant } = request;
        return joined(channel.serverStream(queryHeadMethod, wire, { tenant, signal, deadlineMs }));
      },
      several: (partitions, request, signal) => {
        const question = { $case: 'leaf' as const, leaf: leafRequestToWire(request) };
        const { tenant } = request;
        const wire = { partitions: [...partitions], question };
        return channel.serverStream(queryHeadsMethod, wire, { tenant, signal, deadlineMs });
      },
    });
    this.#streams = new HeadsCaller({
      one: (partition, request, signal) => {
        const wire = { partition, streams: streamsRequestToWire(request) };
        const { tenant } = request;
        return joined(channel.serverStream(headStreamsMethod, wire, { tenant, signal, deadlineMs }));
      },
      several: (partitions, request, signal) => {
        const question = { $case: 'streams' as const, streams: streamsRequestToWire(request) };
        const { tenant } = request;
        const wire = { partitions: [...partitions], question };
        return channel.serverStream(queryHeadsMethod, wire, { tenant, signal, deadlineMs });
      },
    });
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
    const bytes = await this.#leaves.ask(partition, request, signal);
    const { committedOffset, result } = HeadLeafAnswer.decode(bytes);
    return { committedOffset: Number(committedOffset), result: leafResultFromWire(result) };
  }

  async headStreams(
    partition: number,
    request: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<readonly StreamVolume[]>> {
    const bytes = await this.#streams.ask(partition, request, signal);
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
