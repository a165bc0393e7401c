/** The querier's side of the work queue: fetches work from frontends and answers it. */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { LokiError, parseTenantId } from '@loki/model';
import type { Logger, QuerierService, TailFrame, TimerHandle, Timers } from '@loki/ports';
import { encodeMessage, WirePartitionHeads, WireStoredBytes, WireTailFrame } from '@loki/proto';
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

interface QuerierWorkerOptions {
  readonly querier: QuerierService;
  /** Of this worker alone. */
  readonly channels: ChannelPool;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly querierId: string;
  /** Most parallel leaves, over all frontends. */
  readonly maxConcurrent: number;
  /** Most parallel tails of one frontend. Default 64. */
  readonly tailsMax?: number;
}

const reconnectMinMs = 100;
const reconnectMaxMs = 2_000;
/** Time for current work to finish when the querier stops. */
const stopGraceMs = 15_000;
/** A frontend that is still there ends the stream of a slot at once. */
const endGraceMs = 1_000;

/**
 * Fetches work from every known frontend. Each frontend gets an equal share of the slots, and at least one:
 * with many frontends a querier may get a little more work than `maxConcurrent`, but serves every frontend.
 */
export class QuerierWorker {
  readonly #options: QuerierWorkerOptions;
  readonly #frontends = new Map<string, FrontendSlots>();

  constructor(options: QuerierWorkerOptions) {
    this.#options = options;
  }

  /** Sets the current frontends. */
  setFrontends(addresses: ReadonlySet<string>): void {
    for (const [address, slots] of this.#frontends) {
      if (addresses.has(address)) continue;
      this.#frontends.delete(address);
      void slots.stop().then(() => {
        if (!this.#frontends.has(address)) this.#options.channels.drop(address);
      });
    }
    for (const address of addresses) {
      if (this.#frontends.has(address)) continue;
      this.#frontends.set(address, new FrontendSlots(this.#options.channels.to(address), this.#options));
    }
    const share = Math.ceil(this.#options.maxConcurrent / Math.max(1, addresses.size));
    for (const slots of this.#frontends.values()) slots.resize(Math.max(1, share));
  }

  /** Number of slots that are connected to a frontend. */
  get connected(): number {
    let count = 0;
    for (const slots of this.#frontends.values()) count += slots.connected;
    return count;
  }

  /** Takes no more work, and waits for the current work. */
  async stop(): Promise<void> {
    await Promise.all([...this.#frontends.values()].map((slots) => slots.stop()));
    this.#frontends.clear();
  }
}

/** The slots of this querier at one frontend. */
class FrontendSlots {
  readonly #channel: RpcChannel;
  readonly #options: QuerierWorkerOptions;
  readonly #queries = new Set<Slot>();
  readonly #tails = new Set<Slot>();

  constructor(channel: RpcChannel, options: QuerierWorkerOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#addTail();
  }

  get connected(): number {
    let count = 0;
    for (const slot of this.#queries) if (slot.isConnected) count++;
    return count;
  }

  resize(count: number): void {
    while (this.#queries.size < count) this.#queries.add(new Slot(this.#channel, this.#options, {}));
    for (const slot of this.#queries) {
      if (this.#queries.size <= count) break;
      this.#queries.delete(slot);
      void slot.stop();
    }
  }

  async stop(): Promise<void> {
    const slots = [...this.#queries, ...this.#tails];
    this.#queries.clear();
    this.#tails.clear();
    await Promise.all(slots.map((slot) => slot.stop()));
  }

  /** Opens a slot for tails. One is always idle: when it starts a tail, the next one opens. */
  #addTail(): void {
    if (this.#tails.size >= (this.#options.tailsMax ?? 64)) return;
    const slot: Slot = new Slot(this.#channel, this.#options, {
      onTailBegun: () => this.#addTail(),
      onTailEnded: () => {
        // One idle slot is enough.
        if (this.#tails.size <= 1) return;
        this.#tails.delete(slot);
        void slot.stop();
      },
    });
    this.#tails.add(slot);
  }
}

interface SlotEvents {
  /** Present for a slot for tails. */
  readonly onTailBegun?: () => void;
  readonly onTailEnded?: () => void;
}

/** One stream to a frontend, which is opened again after a failure. */
class Slot {
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
        this.#options.logger.error('unforeseen error', {
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
  return new LokiError('unavailable', 'the query frontend is gone');
}
