/** A gRPC connection to another process, with deadlines and bounds. */
import { Client } from '@grpc/grpc-js';
import type { ChannelOptions, ClientDuplexStream, Metadata, MethodDefinition } from '@grpc/grpc-js';
import { LokiError, mib } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Clock, Timers } from '@loki/ports';
import { callMetadata } from './call-context.ts';
import type { SliceDeps } from './parts.ts';
import { addToken } from './shared-token.ts';
import { errorOfCall } from './status.ts';
import { channelCredentials } from './tls.ts';
import type { ClientTls } from './tls.ts';

export interface ChannelDeps {
  /** The machine's: gRPC compares deadlines with its time. */
  readonly clock: Clock;
  /** Absent: large answers are read without pauses. */
  readonly timers?: Timers;
  readonly tls?: ClientTls;
  /** The token that our servers require. Default '': none. */
  readonly token?: string;
  /** Default 16 MiB. */
  readonly recvBytesMax?: number;
  readonly sendBytesMax?: number;
}

interface CallOptions {
  readonly tenant?: TenantId;
  readonly signal?: AbortSignal;
  /** Absent: no deadline; the signal ends the call, and keep-alive detects a dead peer. */
  readonly deadlineMs?: number;
  /** Waits for a connection within the deadline instead of failing at once. */
  readonly waitsForPeer?: boolean;
}

/** Most bytes of one message; larger data travels in parts. */
export const rpcMessageBytesMax = 16 * mib;
/** A stopped or disconnected server is detected within the sum of both times. */
const keepaliveMs = 10_000;
const keepaliveTimeoutMs = 5_000;
/** Most bytes in flight on one connection that the receiver has not accepted. */
export const flowWindowBytes = mib;

/** A connection to one of our processes; it connects at first use, and again after a failure. */
export class RpcChannel {
  readonly address: string;
  readonly #client: Client;
  /** Slices for long work of callers. */
  readonly slices: SliceDeps | undefined;
  readonly #clock: Clock;
  readonly #token: string;

  constructor(address: string, deps: ChannelDeps) {
    this.address = address;
    this.#clock = deps.clock;
    this.slices = deps.timers && { clock: deps.clock, timers: deps.timers };
    this.#token = deps.token ?? '';
    this.#client = new Client(address, channelCredentials(deps.tls), channelOptions(deps));
  }

  unary<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const { signal } = options;
    signal?.throwIfAborted();
    const metadata = this.#metadata(options.tenant);
    if (options.waitsForPeer) metadata.setOptions({ waitForReady: true });
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        this.#callOptions(options),
        (error, response) => {
          signal?.removeEventListener('abort', cancel);
          if (error) reject(errorOfCall(error, signal, this.address) as Error);
          else resolve(response!);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Yields answers as they arrive. A consumer that stops early ends the call. */
  async *serverStream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): AsyncGenerator<Response> {
    const { signal } = options;
    signal?.throwIfAborted();
    const call = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata(options.tenant),
      this.#callOptions(options),
    );
    const cancel = () => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const response of call) yield response as Response;
    } catch (error) {
      throw errorOfCall(error, signal, this.address);
    } finally {
      signal?.removeEventListener('abort', cancel);
      // A call that fails after its end has no listener.
      call.on('error', () => undefined);
      call.cancel();
    }
  }

  duplex<Request, Response>(
    method: MethodDefinition<Request, Response>,
  ): ClientDuplexStream<Request, Response> {
    return this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#metadata(),
    );
  }

  /** Resolves once there is a connection. @throws LokiError `unavailable` when there is none in time */
  connected(withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(this.#clock.nowMs() + withinMs, (error) => {
        if (!error) resolve();
        else reject(new LokiError('unavailable', `${this.address}: no connection within ${withinMs} ms`));
      });
    });
  }

  close(): void {
    this.#client.close();
  }

  #metadata(tenant?: TenantId): Metadata {
    const metadata = callMetadata(tenant);
    addToken(metadata, this.#token);
    return metadata;
  }

  #callOptions({ deadlineMs }: CallOptions) {
    return deadlineMs === undefined ? {} : { deadline: this.#clock.nowMs() + deadlineMs };
  }
}

function channelOptions(deps: ChannelDeps): ChannelOptions {
  return {
    'grpc.max_receive_message_length': deps.recvBytesMax ?? rpcMessageBytesMax,
    'grpc.max_send_message_length': deps.sendBytesMax ?? rpcMessageBytesMax,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    // Callers know other peers to ask; a transparent retry would hide the failure.
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc-node.flow_control_window': flowWindowBytes,
    ...(deps.tls?.enabled && deps.tls.serverName !== ''
      ? {
          'grpc.ssl_target_name_override': deps.tls.serverName,
          'grpc.default_authority': deps.tls.serverName,
        }
      : {}),
  };
}
