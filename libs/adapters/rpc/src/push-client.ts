/** Forwards pushes to distributors over one stream: the gateway's side of step *admit* of a written line. */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { DistributorService, HttpRequest, HttpResponse, TimerHandle, Timers } from '@loki/ports';
import type { PushAnswer, PushPart } from '@loki/proto';
import { traceToWire } from './call-context.ts';
import { slices } from './parts.ts';
import { pushMethod } from './push-server.ts';
import type { RpcChannel } from './rpc-channel.ts';
import { drained } from './rpc-server.ts';
import { errorOfCall } from './status.ts';

interface PushClientOptions {
  readonly timers: Timers;
  /** Deadline of one push. Default 30 s. */
  readonly deadlineMs?: number;
  /** How long pushes wait for a connection. Default 3 s. */
  readonly connectMs?: number;
}

/**
 * A vanished machine does not refuse connections, and the kernel tries for two minutes. Clients wait for 5 or
 * 10 s, which must leave time for another distributor.
 */
const connectMsDefault = 3_000;

interface Pending {
  readonly resolve: (response: HttpResponse) => void;
  readonly reject: (error: unknown) => void;
}

/** One open stream of pushes. */
interface Lane {
  readonly stream: ClientDuplexStream<PushPart, PushAnswer>;
  readonly pending: Map<bigint, Pending>;
  /** Aborts when the stream has ended. */
  readonly over: AbortController;
  /** The last write. Parts are written one after another, so a full stream delays the next push. */
  writing: Promise<void>;
}

/** A distributor in another process. One stream carries all pushes; after a failure it is opened again. */
export class PushClient implements DistributorService {
  readonly #channel: RpcChannel;
  readonly #timers: Timers;
  readonly #deadlineMs: number;
  readonly #connectMs: number;
  #lane: Lane | undefined;
  #nextId = 1n;

  constructor(channel: RpcChannel, options: PushClientOptions) {
    this.#channel = channel;
    this.#timers = options.timers;
    this.#deadlineMs = options.deadlineMs ?? 30_000;
    this.#connectMs = options.connectMs ?? connectMsDefault;
  }

  /** Number of pushes in progress. */
  get inflight(): number {
    return this.#lane?.pending.size ?? 0;
  }

  async push(tenant: TenantId, request: HttpRequest): Promise<HttpResponse> {
    const { signal } = request;
    signal.throwIfAborted();
    const lane = (this.#lane ??= this.#open());
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    lane.pending.set(id, { resolve, reject });
    const giveUp = (error: unknown) => {
      // A closed stream takes no more: the distributor finishes the push.
      if (lane.pending.delete(id) && lane.stream.writable && !lane.over.signal.aborted) {
        lane.stream.write({ id, head: undefined, body: new Uint8Array(0), cancel: true });
      }
      reject(error);
    };
    const timer: TimerHandle = this.#timers.after(this.#deadlineMs, () => {
      giveUp(
        new LokiError('unavailable', `${this.#channel.address}: no answer within ${this.#deadlineMs} ms`),
      );
    });
    const onAbort = () => giveUp(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    lane.writing = lane.writing.then(() => this.#write(lane, id, tenant, request));
    try {
      const response = await promise;
      // The distributor has read all of a body that it took, so that no socket writes it any longer.
      if (response.status < 300) request.freeBody?.();
      return response;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Takes no more; pushes that have begun are written to their end, and answered. */
  close(): void {
    const lane = this.#lane;
    this.#lane = undefined;
    void lane?.writing.then(() => lane.stream.end());
  }

  async #write(lane: Lane, id: bigint, tenant: TenantId, request: HttpRequest): Promise<void> {
    let head: PushPart['head'] = {
      tenant,
      path: request.path,
      queryText: request.queryText,
      headers: [...request.headers].flat(),
      remoteAddress: request.remoteAddress,
      bodyBytes: request.body.length,
      deadlineMs: this.#deadlineMs,
      trace: traceToWire(),
    };
    for (const body of slices(request.body)) {
      // The push was answered or given up before its turn.
      if (!lane.pending.has(id) || lane.over.signal.aborted) return;
      if (!lane.stream.write({ id, head, body, cancel: false })) {
        await drained(lane.stream, lane.over.signal);
      }
      head = undefined;
    }
  }

  #open(): Lane {
    const stream = this.#channel.duplex(pushMethod);
    const lane: Lane = {
      stream,
      pending: new Map(),
      over: new AbortController(),
      writing: Promise.resolve(),
    };
    const fail = (error: unknown) => {
      if (this.#lane === lane) this.#lane = undefined;
      lane.over.abort();
      const reason = errorOfCall(error, undefined, this.#channel.address);
      for (const { reject } of lane.pending.values()) reject(reason);
      lane.pending.clear();
    };
    stream.on('data', (answer: PushAnswer) => {
      const pending = lane.pending.get(answer.id);
      lane.pending.delete(answer.id);
      pending?.resolve(responseOf(answer));
    });
    stream.on('error', fail);
    stream.on('end', () =>
      fail(new LokiError('unavailable', `${this.#channel.address}: the distributor has closed the stream`)),
    );
    this.#channel.connected(this.#connectMs).catch((error: unknown) => {
      if (lane.over.signal.aborted) return;
      fail(error);
      stream.cancel();
    });
    return lane;
  }
}

function responseOf(answer: PushAnswer): HttpResponse {
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < answer.headers.length; i += 2) {
    headers.push([answer.headers[i], answer.headers[i + 1]]);
  }
  return { status: answer.status, headers: Object.fromEntries(headers), body: answer.body };
}
