/** The frontend's side of the work queue, from which queriers fetch: steps *admit* and *cut* of a query. */
import { Metadata } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type {
  LeafRequest,
  LeafResult,
  PartitionHead,
  QuerierService,
  StoredBytesRequest,
  StreamsRequest,
  StreamVolume,
  TailFrame,
  Timers,
} from '@loki/ports';
import { FrontendDefinition, WirePartitionHeads, WireStoredBytes, WireTailFrame } from '@loki/proto';
import type { FromQuerier, ToQuerier, Work } from '@loki/proto';
import { traceToWire } from './call-context.ts';
import { float64Column } from './columns.ts';
import {
  leafRequestToWire,
  partitionHeadsFromWire,
  streamsRequestToWire,
  tailFrameFromWire,
} from './leaf-codec.ts';
import { rpcMethod } from './method.ts';
import { carryOn, PartJoiner } from './parts.ts';
import type { SliceDeps } from './parts.ts';
import { leafResultOf, streamVolumesOf } from './result-codec.ts';
import { duplexMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';
import { errorOfStatus, statusObjectOf } from './status.ts';

export const pullMethod = rpcMethod(FrontendDefinition, FrontendDefinition.methods.pull);

/** A slot of a querier: it does one piece of work at a time. Calls must not overlap. */
export interface QuerierSlot {
  readonly querierId: string;
  /** True: the slot follows tails and answers no queries. */
  readonly isForTails: boolean;
  readonly querier: QuerierService;
  /** Aborts when the querier has disconnected or takes no more work. */
  readonly signal: AbortSignal;
}

interface FrontendServerOptions {
  readonly timers: Timers;
  /** Called for each new slot. Its use of the slot ends when the slot's signal aborts. */
  readonly onSlot: (slot: QuerierSlot) => void;
}

/** A querier that does not confirm a cancellation within this time is disconnected. */
const cancelGraceMs = 10_000;
/** Serves the work queue to queriers. */
export function serveFrontend(server: RpcServer, options: FrontendServerOptions): void {
  server.add(FrontendDefinition.fullName, [
    duplexMethod(pullMethod, (call) => {
      const slot = new RemoteSlot(call, options.timers, server.slices);
      call.once('data', (message: FromQuerier) => {
        if (message.kind?.$case !== 'hello') {
          call.emit(
            'error',
            statusObjectOf(new LokiError('badRequest', 'the first message of a querier must be its hello')),
          );
          return;
        }
        const { querierId, forTails } = message.kind.hello;
        slot.start();
        // Sent at once, so that the querier knows that it is connected.
        call.sendMetadata(new Metadata());
        options.onSlot({ querierId, isForTails: forTails, querier: slot, signal: slot.signal });
      });
    }),
  ]);
}

/** Receives the querier's messages about the current work. */
interface Receiver {
  part(bytes: Uint8Array): void;
  frameEnd(): void;
  finish(error: unknown): void;
}

class RemoteSlot implements QuerierService {
  readonly #call: ServerDuplexStream<FromQuerier, ToQuerier>;
  readonly #timers: Timers;
  readonly #slices: SliceDeps | undefined;
  readonly #departure = new AbortController();
  #receiver: Receiver | undefined;

  constructor(
    call: ServerDuplexStream<FromQuerier, ToQuerier>,
    timers: Timers,
    slices: SliceDeps | undefined,
  ) {
    this.#call = call;
    this.#timers = timers;
    this.#slices = slices;
    const over = () => this.#lose();
    call.on('cancelled', over);
    call.on('error', over);
    call.on('end', () => {
      // The querier stops: it finishes its current work and takes no more.
      this.#departure.abort();
      this.#lose();
      call.end();
    });
  }

  get signal(): AbortSignal {
    return this.#departure.signal;
  }

  start(): void {
    this.#call.on('data', (message: FromQuerier) => this.#take(message));
  }

  async runLeaf(request: LeafRequest, signal?: AbortSignal): Promise<LeafResult> {
    const kind = { $case: 'leaf', leaf: leafRequestToWire(request) } as const;
    const bytes = await this.#run(request.tenant, kind, signal);
    return carryOn(leafResultOf(bytes), this.#slices);
  }

  async streams(request: StreamsRequest, signal?: AbortSignal): Promise<readonly StreamVolume[]> {
    const kind = { $case: 'streams', streams: streamsRequestToWire(request) } as const;
    const bytes = await this.#run(request.tenant, kind, signal);
    return carryOn(streamVolumesOf(bytes), this.#slices);
  }

  async storedBytes(request: StoredBytesRequest, signal?: AbortSignal): Promise<readonly number[]> {
    const { tenant, startNs, endNs, intervalNs } = request;
    const kind = { $case: 'storedBytes', storedBytes: { startNs, endNs, intervalNs } } as const;
    const bytes = await this.#run(tenant, kind, signal);
    return [...float64Column(WireStoredBytes.decode(bytes).bytes)];
  }

  async heads(tenant: TenantId, signal?: AbortSignal): Promise<readonly PartitionHead[]> {
    const bytes = await this.#run(tenant, { $case: 'heads', heads: {} }, signal);
    return partitionHeadsFromWire(WirePartitionHeads.decode(bytes));
  }

  async *tail(request: LeafRequest, signal: AbortSignal): AsyncGenerator<TailFrame> {
    const frames: TailFrame[] = [];
    let isDone = false;
    let failure: unknown;
    let wake = () => {};
    const joiner = new PartJoiner();
    this.#begin(
      request.tenant,
      { $case: 'tail', tail: leafRequestToWire(request) },
      {
        part: (bytes) => joiner.add(bytes),
        frameEnd: () => {
          frames.push(tailFrameFromWire(WireTailFrame.decode(joiner.take())));
          wake();
        },
        finish: (error) => {
          isDone = true;
          failure = error;
          wake();
        },
      },
    );
    const onAbort = () => wake();
    signal.addEventListener('abort', onAbort, { once: true });
    // A frame is requested when the reader waits for one, so no frame is buffered.
    let isAsked = false;
    try {
      while (!signal.aborted) {
        const frame = frames.shift();
        if (frame) {
          isAsked = false;
          yield frame;
        } else if (isDone) {
          if (failure !== undefined) throw failure;
          return;
        } else {
          if (!isAsked) this.#send({ $case: 'credit', credit: 1 });
          isAsked = true;
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (!isDone) this.#cancel();
    }
  }

  /** Runs one piece of work. Resolves or rejects when the querier is free again. */
  #run(tenant: TenantId, kind: Work['kind'], signal: AbortSignal | undefined): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const joiner = new PartJoiner();
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const onAbort = () => this.#cancel();
    this.#begin(tenant, kind, {
      part: (bytes) => joiner.add(bytes),
      frameEnd: () => undefined,
      finish: (error) => {
        signal?.removeEventListener('abort', onAbort);
        if (signal?.aborted) reject(signal.reason);
        else if (error !== undefined) reject(error);
        else resolve(joiner.take());
      },
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    return promise;
  }

  #begin(tenant: TenantId, kind: Work['kind'], receiver: Receiver): void {
    if (this.#departure.signal.aborted) throw lostQuerier();
    if (this.#receiver) {
      throw new LokiError('internal', 'a querier was given a second task before the first had ended');
    }
    this.#receiver = receiver;
    this.#send({ $case: 'work', work: { tenant, kind, deadlineMs: 0, trace: traceToWire() } });
  }

  #take(message: FromQuerier): void {
    const receiver = this.#receiver;
    if (!receiver || !message.kind) return;
    try {
      if (message.kind.$case === 'part') receiver.part(message.kind.part);
      else if (message.kind.$case === 'frameEnd') receiver.frameEnd();
      else if (message.kind.$case === 'done') {
        const { error } = message.kind.done;
        this.#receiver = undefined;
        receiver.finish(error && errorOfStatus(error));
      }
    } catch (error) {
      // An invalid message or too large an answer: this querier is disconnected.
      this.#receiver = undefined;
      receiver.finish(error);
      this.#call.emit('error', statusObjectOf(error));
    }
  }

  #cancel(): void {
    const receiver = this.#receiver;
    if (!receiver) return;
    this.#send({ $case: 'cancel', cancel: true });
    this.#timers.after(cancelGraceMs, () => {
      if (this.#receiver !== receiver) return;
      this.#call.emit(
        'error',
        statusObjectOf(new LokiError('timeout', 'the querier does not confirm a cancellation')),
      );
      this.#lose();
    });
  }

  #lose(): void {
    this.#departure.abort();
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.finish(lostQuerier());
  }

  #send(kind: NonNullable<ToQuerier['kind']>): void {
    if (!this.#call.cancelled && !this.#call.destroyed) this.#call.write({ kind });
  }
}

function lostQuerier(): LokiError {
  return new LokiError('unavailable', 'the querier has disconnected');
}
