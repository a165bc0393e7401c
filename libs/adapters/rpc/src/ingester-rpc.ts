/** Calls to ingesters over gRPC: step *select* of a query. */
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type {
  CatalogNews,
  CatalogNumbers,
  IngesterService,
  LeafRequest,
  StreamsRequest,
  HeadAnswer,
  LeafResult,
  PartitionHead,
  StreamVolume,
  TailFrame,
} from '@loki/ports';
import { IngesterDefinition } from '@loki/proto';
import { newsFromWire, newsToWire, numbersFromWire, numbersToWire } from './catalog-news-codec.ts';
import { HeadsCaller, headsParts } from './heads-call.ts';
import {
  leafRequestFromWire,
  leafRequestToWire,
  partitionHeadsFromWire,
  partitionHeadsToWire,
  streamsRequestFromWire,
  streamsRequestToWire,
  tailFrameFromWire,
  tailFrameToWire,
} from './leaf-codec.ts';
import { rpcMethod } from './method.ts';
import { carryOn, joinParts, parts } from './parts.ts';
import type { SliceDeps } from './parts.ts';
import {
  headAnswerOf,
  headAnswerPieces,
  leafResultOf,
  leafResultPieces,
  streamVolumesOf,
  streamVolumesPieces,
} from './result-codec.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { serverStreamMethod, unaryMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

const { methods } = IngesterDefinition;
const partitionsMethod = rpcMethod(IngesterDefinition, methods.partitions);
const queryHeadMethod = rpcMethod(IngesterDefinition, methods.queryHead);
const headStreamsMethod = rpcMethod(IngesterDefinition, methods.headStreams);
const queryHeadsMethod = rpcMethod(IngesterDefinition, methods.queryHeads);
const headBoundsMethod = rpcMethod(IngesterDefinition, methods.headBounds);
const catalogNewsMethod = rpcMethod(IngesterDefinition, methods.catalogNews);
const tailMethod = rpcMethod(IngesterDefinition, methods.tail);
const flushMethod = rpcMethod(IngesterDefinition, methods.flush);

interface IngesterClientOptions {
  /** Deadline, after which the caller tries another owner. Default 60 s. */
  readonly headDeadlineMs?: number;
}

const flushDeadlineMs = 300_000;
/** Most partitions of one question; a log has fewer. */
const partitionsMax = 10_000;
/** Short, because the call also shows whether the ingester is alive. */
const partitionsDeadlineMs = 2_000;
/** Short: a reader asks again in its next round, 15 s later. */
const newsDeadlineMs = 5_000;

/**
 * Adds the gRPC service of this ingester to a server. Failures keep their LokiError code; more than
 * `partitionsMax` partitions in one call are `badRequest`.
 */
export function serveIngester(server: RpcServer, ingester: IngesterService): void {
  const answering = { ingester, slices: server.slices };
  server.add(IngesterDefinition.fullName, [
    unaryMethod(partitionsMethod, async () => ({ partitions: [...(await ingester.partitions())] })),
    serverStreamMethod(queryHeadMethod, async function* ({ partition, leaf }, { tenant, signal }) {
      const request = leafRequestFromWire(leaf, tenant());
      yield* parts(await leafAnswer(answering, partition, request, signal));
    }),
    serverStreamMethod(headStreamsMethod, async function* ({ partition, streams }, { tenant, signal }) {
      const request = streamsRequestFromWire(streams, tenant());
      yield* parts(await streamsAnswer(answering, partition, request, signal));
    }),
    serverStreamMethod(queryHeadsMethod, ({ partitions, question }, { tenant, signal }) => {
      checkCount(partitions);
      if (question?.$case === 'leaf') {
        const request = leafRequestFromWire(question.leaf, tenant());
        return headsParts(partitions, (each) => leafAnswer(answering, each, request, signal));
      }
      const request = streamsRequestFromWire(question?.streams, tenant());
      return headsParts(partitions, (each) => streamsAnswer(answering, each, request, signal));
    }),
    unaryMethod(headBoundsMethod, async ({ partitions }, { tenant, signal }) => {
      checkCount(partitions);
      return partitionHeadsToWire((await ingester.headBounds?.(partitions, tenant(), signal)) ?? []);
    }),
    unaryMethod(catalogNewsMethod, async (numbers, { signal }) => {
      checkCount(numbers.partitions);
      if (!ingester.catalogNews) throw new LokiError('methodNotAllowed', 'this ingester tells no news');
      return newsToWire(await ingester.catalogNews(numbersFromWire(numbers), signal));
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

function checkCount(partitions: readonly number[]): void {
  if (partitions.length <= partitionsMax) return;
  throw new LokiError('badRequest', `more than ${partitionsMax} partitions at once`);
}

/** The answer of a head, which is written in slices of the server's thread. */
interface Answering {
  readonly ingester: IngesterService;
  readonly slices: SliceDeps | undefined;
}

async function leafAnswer(
  { ingester, slices }: Answering,
  partition: number,
  request: LeafRequest,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const { committedOffset, result } = await ingester.queryHead(partition, request, signal);
  return carryOn(headAnswerPieces(committedOffset, leafResultPieces(result)), slices);
}

async function streamsAnswer(
  { ingester, slices }: Answering,
  partition: number,
  request: StreamsRequest,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const { committedOffset, result } = await ingester.headStreams(partition, request, signal);
  return carryOn(headAnswerPieces(committedOffset, streamVolumesPieces(result)), slices);
}

/** The port Ingester over gRPC. Calls have deadlines; a failed or silent peer is LokiError `unavailable`. */
export class IngesterClient implements IngesterService {
  readonly #channel: RpcChannel;
  readonly #leaves: HeadsCaller<LeafRequest>;
  readonly #streams: HeadsCaller<StreamsRequest>;
  readonly #deadlineMs: number;

  constructor(channel: RpcChannel, options: IngesterClientOptions = {}) {
    this.#channel = channel;
    const deadlineMs = options.headDeadlineMs ?? 60_000;
    this.#deadlineMs = deadlineMs;
    this.#leaves = new HeadsCaller({
      single: (partition, request, signal) => {
        const wire = { partition, leaf: leafRequestToWire(request) };
        const { tenant } = request;
        return joinParts(channel.serverStream(queryHeadMethod, wire, { tenant, signal, deadlineMs }));
      },
      several: (partitions, request, signal) => {
        const question = { $case: 'leaf' as const, leaf: leafRequestToWire(request) };
        const { tenant } = request;
        const wire = { partitions: [...partitions], question };
        return channel.serverStream(queryHeadsMethod, wire, { tenant, signal, deadlineMs });
      },
    });
    this.#streams = new HeadsCaller({
      single: (partition, request, signal) => {
        const wire = { partition, streams: streamsRequestToWire(request) };
        const { tenant } = request;
        return joinParts(channel.serverStream(headStreamsMethod, wire, { tenant, signal, deadlineMs }));
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
    return carryOn(headAnswerOf(bytes, leafResultOf), this.#channel.slices);
  }

  async headBounds(
    partitions: readonly number[],
    tenant: TenantId,
    signal?: AbortSignal,
  ): Promise<readonly PartitionHead[]> {
    const call = { tenant, signal, deadlineMs: this.#deadlineMs };
    const answer = await this.#channel.unary(headBoundsMethod, { partitions: [...partitions] }, call);
    return partitionHeadsFromWire(answer).filter(({ partition }) => partitions.includes(partition));
  }

  async catalogNews(numbers: CatalogNumbers, signal?: AbortSignal): Promise<CatalogNews> {
    const call = { signal, deadlineMs: newsDeadlineMs };
    return newsFromWire(await this.#channel.unary(catalogNewsMethod, numbersToWire(numbers), call));
  }

  async headStreams(
    partition: number,
    request: StreamsRequest,
    signal?: AbortSignal,
  ): Promise<HeadAnswer<readonly StreamVolume[]>> {
    const bytes = await this.#streams.ask(partition, request, signal);
    return carryOn(headAnswerOf(bytes, streamVolumesOf), this.#channel.slices);
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
      // An abort is the normal end of a tail.
      if (!signal.aborted) throw error;
    }
  }

  async flush(signal?: AbortSignal): Promise<void> {
    await this.#channel.unary(flushMethod, {}, { signal, deadlineMs: flushDeadlineMs });
  }
}
