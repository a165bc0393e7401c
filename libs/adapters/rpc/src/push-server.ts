/** Receives forwarded pushes: the distributor's side of step *admit* of a written line. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { LokiError, parseTenantId } from '@loki/model';
import type { DistributorService, HttpRequest, HttpResponse, TimerHandle, Timers } from '@loki/ports';
import { DistributorDefinition } from '@loki/proto';
import type { PushAnswer, PushHead, PushPart } from '@loki/proto';
import { withServerSpan } from '@loki/telemetry';
import { traceFromWire } from './call-context.ts';
import { rpcMethod } from './method.ts';
import { duplexMethod } from './rpc-server.ts';
import type { RpcServer } from './rpc-server.ts';

export const pushMethod = rpcMethod(DistributorDefinition, DistributorDefinition.methods.push);

interface PushServerOptions {
  readonly timers: Timers;
  /** Most bytes of one body. */
  readonly bodyBytesMax: number;
  /** Most bytes of one stream's bodies that wait for answers; above it the stream is paused. */
  readonly inflightBytesMax: number;
}

/** Most pushes of one stream in progress. */
const inflightMax = 1024;

/** Serves pushes that other processes forward. */
export function servePushes(
  server: RpcServer,
  distributor: DistributorService,
  options: PushServerOptions,
): void {
  server.add(DistributorDefinition.fullName, [
    duplexMethod(pushMethod, (call) => new PushStream(call, distributor, options)),
  ]);
}

interface Incoming {
  readonly head: PushHead;
  readonly cancellation: AbortController;
  /** undefined until the first part arrives. */
  body: Buffer | undefined;
  receivedBytes: number;
  timer?: TimerHandle;
}

class PushStream {
  readonly #call: ServerDuplexStream<PushPart, PushAnswer>;
  readonly #distributor: DistributorService;
  readonly #options: PushServerOptions;
  /** Incoming bodies and pushes in progress, by id. */
  readonly #pushes = new Map<bigint, Incoming>();
  #bytes = 0;
  #isEnded = false;

  constructor(
    call: ServerDuplexStream<PushPart, PushAnswer>,
    distributor: DistributorService,
    options: PushServerOptions,
  ) {
    this.#call = call;
    this.#distributor = distributor;
    this.#options = options;
    call.on('data', (part: PushPart) => this.#take(part));
    call.on('end', () => {
      this.#isEnded = true;
      this.#endIfDone();
    });
    const cut = () => this.#cut();
    call.on('cancelled', cut);
    call.on('error', cut);
  }

  #take(part: PushPart): void {
    const { id, head, body, cancel } = part;
    if (cancel) {
      const push = this.#pushes.get(id);
      push?.cancellation.abort(new LokiError('clientGone', 'the request was cancelled by the client'));
      if (push && push.receivedBytes < push.head.bodyBytes) this.#forget(id);
      return;
    }
    if (head) this.#begin(id, head);
    const push = this.#pushes.get(id);
    // The push of this body was refused or given up.
    if (!push) return;
    if (body.length > push.head.bodyBytes - push.receivedBytes) {
      this.#refuse(id, new LokiError('badRequest', 'a body longer than announced'));
      return;
    }
    // A body in one part is not copied.
    if (body.length === push.head.bodyBytes) push.body = bufferOf(body);
    else (push.body ??= Buffer.allocUnsafe(push.head.bodyBytes)).set(body, push.receivedBytes);
    push.receivedBytes += body.length;
    if (push.receivedBytes === push.head.bodyBytes) void this.#run(id, push);
  }

  #begin(id: bigint, head: PushHead): void {
    const { bodyBytesMax } = this.#options;
    if (head.bodyBytes > bodyBytesMax) {
      const text = `request body too large: ${head.bodyBytes} bytes, limit ${bodyBytesMax}`;
      this.#answer(id, failure(new LokiError('bodyTooLarge', text)));
      return;
    }
    if (this.#pushes.has(id)) {
      this.#refuse(id, new LokiError('badRequest', 'a push of this id is under way'));
      return;
    }
    const cancellation = new AbortController();
    const push: Incoming = { head, cancellation, body: undefined, receivedBytes: 0 };
    this.#pushes.set(id, push);
    this.#bytes += head.bodyBytes;
    if (head.deadlineMs > 0) {
      push.timer = this.#options.timers.after(head.deadlineMs, () => {
        cancellation.abort(new LokiError('timeout', 'the push took longer than its sender waits'));
        if (push.receivedBytes < head.bodyBytes) this.#forget(id);
      });
    }
    if (this.#isFull()) this.#call.pause();
  }

  async #run(id: bigint, push: Incoming): Promise<void> {
    let response: HttpResponse;
    try {
      const { head, cancellation } = push;
      const tenant = parseTenantId(head.tenant);
      const request: HttpRequest = {
        method: 'POST',
        path: head.path,
        params: new Map(),
        queryText: head.queryText,
        headers: headersOf(head.headers),
        body: push.body!,
        remoteAddress: head.remoteAddress,
        signal: cancellation.signal,
      };
      response = await withServerSpan(
        pushMethod.path,
        () => traceFromWire(head.trace),
        { 'rpc.system': 'grpc' },
        () => this.#distributor.push(tenant, request),
      );
    } catch (error) {
      response = failure(error);
    }
    this.#answer(id, response);
    this.#forget(id);
  }

  #refuse(id: bigint, error: LokiError): void {
    this.#pushes.get(id)?.cancellation.abort(error);
    this.#answer(id, failure(error));
    this.#forget(id);
  }

  /** Sends an answer. Answers are small; a sender that does not read them loses its stream. */
  #answer(id: bigint, response: HttpResponse): void {
    if (this.#call.cancelled || this.#call.destroyed) return;
    const body = response.body ?? '';
    this.#call.write({
      id,
      status: response.status,
      headers: Object.entries(response.headers ?? {}).flat(),
      body: typeof body === 'string' ? Buffer.from(body) : body,
    });
  }

  #forget(id: bigint): void {
    const push = this.#pushes.get(id);
    if (!push) return;
    push.timer?.cancel();
    this.#pushes.delete(id);
    this.#bytes -= push.head.bodyBytes;
    if (!this.#isFull() && this.#call.isPaused()) this.#call.resume();
    this.#endIfDone();
  }

  #isFull(): boolean {
    return this.#bytes > this.#options.inflightBytesMax || this.#pushes.size >= inflightMax;
  }

  #endIfDone(): void {
    if (this.#isEnded && this.#pushes.size === 0) this.#call.end();
  }

  /**
   * The sender has disconnected. Appends in progress continue, because a lost connection does not decide
   * their outcome.
   */
  #cut(): void {
    for (const push of this.#pushes.values()) {
      push.timer?.cancel();
      push.cancellation.abort(new LokiError('clientGone', 'the request was cancelled by the client'));
    }
    this.#pushes.clear();
    this.#bytes = 0;
  }
}

/** The answer to a push that failed before or in the distributor. */
function failure(error: unknown): HttpResponse {
  const refusal = error instanceof LokiError ? error : new LokiError('internal', 'internal error');
  return {
    status: refusal.status,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: `${refusal.message}\n`,
  };
}

function headersOf(flat: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) headers.set(flat[i], flat[i + 1]);
  return headers;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
