/**
 * One slot of a querier: a stream to a frontend, by which it takes and answers one piece of work at a time.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { LokiError, parseTenantId } from '@loki/model';
import type { Logger, QuerierService, TailFrame, TimerHandle, Timers } from '@loki/ports';
import { WirePartitionHeads, WireStoredBytes, WireTailFrame, encodeMessage } from '@loki/proto';
import type { FromQuerier, ToQuerier, Work } from '@loki/proto';
import { withServerSpan } from '@loki/telemetry';
import { traceFromWire } from './call-context.ts';
import type { ChannelPool } from './channel-pool.ts';
import { bytesOf, malformed } from './columns.ts';
import { pullMethod } from './frontend-server.ts';
import {
  leafRequestFromWire,
  partitionHeadsToWire,
  streamsRequestFromWire,
  tailFrameToWire,
} from './leaf-codec.ts';
import { carryOn, slicesOf } from './parts.ts';
import { leafResultPieces, streamVolumesPieces } from './result-codec.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { drained } from './rpc-server.ts';
import { statusOf } from './status.ts';

export interface QuerierWorkerOptions {
  readonly querier: QuerierService;
  /** Channels of this worker alone. */
  readonly channels: ChannelPool;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly querierId: string;
  /** Most parallel leaves, over all frontends. */
  readonly maxConcurrent: number;
  /** Most parallel tails of one frontend. Default 64. */
  readonly tailsMax?: number;
}

/** A frontend that is still there ends the stream of a slot at once. */
const endGraceMs = 1_000;

interface SlotEvents {
  /** Present for a slot for tails. */
  readonly onTailBegun?: () => void;
  readonly onTailEnded?: () => void;
}

/** One stream to a frontend, which is opened again after a failure. */
export class Slot {
  readonly #channel: RpcChannel;
  readonly #options: QuerierWorkerOptions;
  readonly #events: SlotEvents;
  #stream: ClientDuplexStream<FromQuerier, ToQuerier> | undefined;
  #running:
    | { readonly cancel: AbortController; readonly credit: Credit; readonly completion: Promise<void> }
    | undefined;
  /** Resolves when the stream is over. */
  #over: Promise<void> | undefined;
  #pauseMs = reconnectMinMs;
  #retry: TimerHandle | undefined;
  #isConnected = false;
  #isStopped = false;

  constructor(channel: RpcChannel, options: QuerierWorkerOptions, events: SlotEvents) {
    this.#channel = channel;
    this.#options = options;
    this.#events = events;
    this.#open();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    if (this.#events.onTailBegun) this.#running?.cancel.abort(clientGone());
    // The frontend sends no more work after it sees the end; current work is still answered.
    const { timers } = this.#options;
    await Promise.race([this.#running?.completion, timers.sleep(stopGraceMs)]);
    this.#stream?.end();
    await Promise.race([this.#over, timers.sleep(endGraceMs)]);
  }

  #open(): void {
    const stream = this.#channel.duplex(pullMethod);
    const over = new AbortController();
    this.#stream = stream;
    this.#over = new Promise((resolve) =>
      over.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    stream.on('metadata', () => (this.#isConnected = true));
    stream.on('data', (message: ToQuerier) => {
      this.#pauseMs = reconnectMinMs;
      this.#take(stream, message, over.signal);
    });
    const onOver = () => {
      if (over.signal.aborted) return;
      over.abort();
      this.#isConnected = false;
      this.#running?.cancel.abort(clientGone());
      if (this.#isStopped) return;
      this.#retry = this.#options.timers.after(this.#pauseMs, () => this.#open());
      this.#pauseMs = Math.min(2 * this.#pauseMs, reconnectMaxMs);
    };
    stream.on('error', (error) => {
      if (!over.signal.aborted && !this.#isStopped) {
        this.#options.logger.debug('no connection to a query frontend', {
          address: this.#channel.address,
          err: error.message,
        });
      }
      onOver();
    });
    stream.on('end', onOver);
    const hello = { querierId: this.#options.querierId, forTails: this.#events.onTailBegun !== undefined };
    stream.write({ kind: { $case: 'hello', hello } });
  }

  #take(stream: ClientDuplexStream<FromQuerier, ToQuerier>, { kind }: ToQuerier, over: AbortSignal): void {
    if (kind?.$case === 'work') {
      // The work arrived while this querier stops: the frontend gives it to another one.
      if (this.#isStopped) return;
      const cancel = new AbortController();
      const credit = new Credit();
      const send = async (message: NonNullable<FromQuerier['kind']>) => {
        if (!over.aborted && !stream.write({ kind: message })) await drained(stream, over);
      };
      const completion = this.#work(kind.work, cancel.signal, credit, send).finally(() => {
        this.#running = undefined;
      });
      this.#running = { cancel, credit, completion };
    } else if (kind?.$case === 'cancel') {
      this.#running?.cancel.abort(new LokiError('clientGone', 'the request was cancelled by the client'));
    } else if (kind?.$case === 'credit') {
      this.#running?.credit.add(kind.credit);
    }
  }

  async #work(work: Work, signal: AbortSignal, credit: Credit, send: Send): Promise<void> {
    if (work.kind?.$case === 'tail') this.#events.onTailBegun?.();
    try {
      await withServerSpan(
        pullMethod.path,
        () => traceFromWire(work.trace),
        { 'rpc.system': 'grpc' },
        () => this.#answer(work, signal, credit, send),
      );
      await send({ $case: 'done', done: { error: undefined } });
    } catch (error) {
      if (!(error instanceof LokiError)) {
        this.#options.logger.error('request failed unexpectedly', {
          work: work.kind?.$case ?? 'none',
          err: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
      await send({ $case: 'done', done: { error: statusOf(error) } });
    } finally {
      if (work.kind?.$case === 'tail') this.#events.onTailEnded?.();
    }
  }

  async #answer(
    { tenant: text, kind }: Work,
    signal: AbortSignal,
    credit: Credit,
    send: Send,
  ): Promise<void> {
    const { querier } = this.#options;
    const tenant = parseTenantId(text);
    if (kind?.$case === 'leaf') {
      const result = await querier.runLeaf(leafRequestFromWire(kind.leaf, tenant), signal);
      await sendPieces(await carryOn(leafResultPieces(result), this.#channel.slices), send);
    } else if (kind?.$case === 'streams') {
      const streams = await querier.streams(streamsRequestFromWire(kind.streams, tenant), signal);
      await sendPieces(await carryOn(streamVolumesPieces(streams), this.#channel.slices), send);
    } else if (kind?.$case === 'storedBytes') {
      const bytes = await querier.storedBytes({ tenant, ...kind.storedBytes }, signal);
      const message = { bytes: bytesOf(Float64Array.from(bytes)) };
      await sendPieces([encodeMessage(WireStoredBytes, message)], send);
    } else if (kind?.$case === 'heads') {
      const heads = (await querier.heads?.(tenant, signal)) ?? [];
      await sendPieces([encodeMessage(WirePartitionHeads, partitionHeadsToWire(heads))], send);
    } else if (kind?.$case === 'tail') {
      const frames = querier.tail(leafRequestFromWire(kind.tail, tenant), signal)[Symbol.asyncIterator]();
      try {
        do await credit.take(signal);
        while (!signal.aborted && (await sendFrame(await frames.next(), send)));
      } finally {
        await frames.return?.();
      }
    } else throw malformed('work of no kind');
  }
}

type Send = (message: NonNullable<FromQuerier['kind']>) => Promise<void>;

async function sendPieces(pieces: readonly Uint8Array[], send: Send): Promise<void> {
  for (const part of slicesOf(pieces)) await send({ $case: 'part', part });
}

/** @returns false at the end of the tail */
async function sendFrame(next: IteratorResult<TailFrame>, send: Send): Promise<boolean> {
  if (next.done) return false;
  await sendPieces([encodeMessage(WireTailFrame, tailFrameToWire(next.value))], send);
  await send({ $case: 'frameEnd', frameEnd: true });
  return true;
}

/** Number of frames that the reader accepts. */
class Credit {
  #available = 0;
  #wake: (() => void) | undefined;

  add(frames: number): void {
    this.#available += frames;
    this.#wake?.();
  }

  /** Waits for one frame of credit, or until the signal aborts. */
  async take(signal: AbortSignal): Promise<void> {
    while (this.#available === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.#available--;
  }
}

function clientGone(): LokiError {
  return new LokiError('unavailable', 'the query frontend has disconnected');
}

const reconnectMinMs = 100;
const reconnectMaxMs = 2_000;
/** Time for current work to finish when the querier stops. */
const stopGraceMs = 15_000;
