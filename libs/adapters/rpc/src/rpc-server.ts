/** The gRPC port of a process: services, tokens, bounds, health and reflection. */
import { Server, ServerCredentials, setLogger } from '@grpc/grpc-js';
import type {
  handleBidiStreamingCall,
  MethodDefinition,
  ServerDuplexStream,
  ServiceDefinition,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { LokiError } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { Logger, Timers } from '@loki/ports';
import { withServerSpan } from '@loki/telemetry';
import { tenantOf, traceOf } from './call-context.ts';
import { fileDescriptors } from './descriptors.ts';
import type { SliceDeps } from './parts.ts';
import { flowWindowBytes, rpcMessageBytesMax } from './rpc-channel.ts';
import { boundConnections } from './rpc-connection-bound.ts';
import { tokenInterceptor } from './shared-token.ts';
import { statusObjectOf } from './status.ts';
import { serverCredentials } from './tls.ts';
import type { ServerTls } from './tls.ts';

export interface RpcServerOptions {
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  readonly logger: Logger;
  readonly tls?: ServerTls;
  /** All calls except health checks must carry it. Default '': none. */
  readonly token?: string;
  /** Whether the reflection service lists the services for tools. Default false. */
  readonly isReflecting?: boolean;
  readonly recvBytesMax?: number;
  readonly sendBytesMax?: number;
  /** Most open calls of one connection. Default 100. */
  readonly concurrentStreamsMax?: number;
  /** Absent: large answers are written without pauses. */
  readonly slices?: SliceDeps;
  /** Bound of open connections. Default: none. */
  readonly connections?: {
    readonly max: number;
    readonly timers: Timers;
    readonly onRefused: () => void;
  };
}

/** The context of a call, for its handler. */
interface CallContext {
  /** @throws LokiError when the call has no tenant or an invalid one */
  readonly tenant: () => TenantId;
  /** Aborts when the caller gave up or its deadline passed. */
  readonly signal: AbortSignal;
}

/** Most bytes of the headers of one call. */
const headerBytesMax = 16 * 1024;

/**
 * A stopped or disconnected caller is detected within the sum of both times. Queriers are callers: the work
 * of a lost one is given to another before clients time out (Loki's after ten seconds).
 */
const callerKeepaliveMs = 2_000;
const callerKeepaliveTimeoutMs = 4_000;

/** The gRPC port of a process: our services, grpc.health.v1, and reflection if enabled. */
export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server: Server;
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING' });
  readonly #services: string[] = [];

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': options.recvBytesMax ?? rpcMessageBytesMax,
      'grpc.max_send_message_length': options.sendBytesMax ?? rpcMessageBytesMax,
      'grpc.max_concurrent_streams': options.concurrentStreamsMax ?? 100,
      'grpc.keepalive_time_ms': callerKeepaliveMs,
      'grpc.keepalive_timeout_ms': callerKeepaliveTimeoutMs,
      'grpc-node.flow_control_window': flowWindowBytes,
      'grpc-node.max_session_memory': 256,
      ...(options.token ? { interceptors: [tokenInterceptor(options.token)] } : {}),
    });
    this.#health.addToServer(this.#server);
    if (options.isReflecting) new ReflectionService(fileDescriptors()).addToServer(this.#server);
  }

  /** Slices for long work of handlers. */
  get slices(): SliceDeps | undefined {
    return this.#options.slices;
  }

  /** Adds a service with its methods. */
  add(name: string, methods: readonly RpcMethod[]): void {
    const definition: Record<string, AnyMethod> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const { method, handler } of methods) {
      const key = method.originalName!;
      definition[key] = method;
      const report = (error: unknown): void => this.#unforeseen(method.path, error);
      implementation[key] = handler(report) as UntypedServiceImplementation[string];
    }
    this.#server.addService(definition, implementation);
    this.#services.push(name);
    this.#health.setStatus(name, 'NOT_SERVING');
  }

  /** @returns the port */
  listen(): Promise<number> {
    const { address, port, tls, logger, connections } = this.#options;
    logLibrary(logger);
    const credentials = tls ? serverCredentials(tls) : ServerCredentials.createInsecure();
    const host = address === '' ? '[::]' : address.includes(':') ? `[${address}]` : address;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${host}:${port}`, credentials, (error, bound) => {
        if (error) {
          reject(error);
          return;
        }
        if (connections) boundConnections(this.#server, { ...connections, logger });
        resolve(bound);
      });
    });
  }

  /** Sets the answer of the health service, for the process and each service. */
  setServing(isServing: boolean): void {
    for (const name of ['', ...this.#services]) {
      this.#health.setStatus(name, isServing ? 'SERVING' : 'NOT_SERVING');
    }
  }

  #unforeseen(path: string, error: unknown): void {
    if (error instanceof LokiError) return;
    this.#options.logger.error('request failed unexpectedly', {
      method: path,
      err: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  /** Stops: takes no new calls, waits for current ones, and cuts them when `cutLater` calls back. */
  stop(cutLater: (cut: () => void) => { cancel(): void }): Promise<void> {
    this.setServing(false);
    return new Promise((resolve) => {
      const timer = cutLater(() => {
        this.#server.forceShutdown();
        // Resolve here, because grpc-js waits without end for a connection that keep-alive has destroyed: its
        // close never calls back.
        resolve();
      });
      this.#server.tryShutdown(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}

/**
 * The library writes lines of its own to standard error otherwise, in another form. Errors that end a start
 * or a call reach their callers in any case.
 */
function logLibrary(logger: Logger): void {
  const log = (...words: unknown[]): void => logger.debug('grpc-js', { text: words.map(String).join(' ') });
  setLogger({ error: log, info: log, debug: log });
}

type AnyMethod = ServiceDefinition[string];

/** A method with its handler. */
interface RpcMethod {
  readonly method: AnyMethod;
  /** @param report receives failures outside of the catalogue; the caller only gets `internal error` */
  readonly handler: (report: Report) => unknown;
}

type Report = (error: unknown) => void;

export function unaryMethod<Request, Response>(
  method: MethodDefinition<Request, Response>,
  answer: (request: Request, context: CallContext) => Promise<Response>,
): RpcMethod {
  const handler =
    (report: Report) =>
    async (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): Promise<void> => {
      let response: Response;
      try {
        response = await serve(method.path, call, (context) => answer(call.request, context));
      } catch (error) {
        report(error);
        callback(statusObjectOf(error));
        return;
      }
      callback(null, response);
    };
  return { method, handler };
}

export function serverStreamMethod<Request, Response>(
  method: MethodDefinition<Request, Response>,
  answers: (request: Request, context: CallContext) => AsyncIterable<Response> | Iterable<Response>,
): RpcMethod {
  const handler =
    (report: Report) =>
    (call: ServerWritableStream<Request, Response>): void => {
      serve(method.path, call, async (context) => {
        for await (const response of answers(call.request, context)) {
          if (context.signal.aborted) return;
          if (!call.write(response)) await drained(call, context.signal);
        }
      }).then(
        () => call.end(),
        (error: unknown) => {
          report(error);
          call.emit('error', statusObjectOf(error));
        },
      );
    };
  return { method, handler };
}

export function duplexMethod<Request, Response>(
  method: MethodDefinition<Request, Response>,
  handler: (call: ServerDuplexStream<Request, Response>) => void,
): RpcMethod {
  const wired: handleBidiStreamingCall<Request, Response> = (call) => handler(call);
  return { method, handler: () => wired };
}

type AnyCall = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'on' | 'getDeadline'>;

function serve<T>(path: string, call: AnyCall, work: (context: CallContext) => Promise<T>): Promise<T> {
  const cancellation = new AbortController();
  call.on('cancelled', () => {
    cancellation.abort(new LokiError('clientGone', 'the request was cancelled by the client'));
  });
  const context: CallContext = { tenant: () => tenantOf(call.metadata), signal: cancellation.signal };
  return withServerSpan(
    path,
    () => traceOf(call.metadata),
    { 'rpc.system': 'grpc' },
    async () => {
      checkHeaders(call);
      return work(context);
    },
  );
}

function checkHeaders(call: AnyCall): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(call.metadata.getMap())) bytes += name.length + value.length;
  if (bytes > headerBytesMax) {
    throw new LokiError('badRequest', `metadata of more than ${headerBytesMax} bytes`);
  }
}

/** Resolves when the stream accepts more data or has ended. */
export function drained(
  stream: {
    once(event: string, listener: () => void): unknown;
    off(event: string, listener: () => void): unknown;
  },
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = () => {
      signal.removeEventListener('abort', settle);
      for (const event of drainEvents) stream.off(event, settle);
      resolve();
    };
    for (const event of drainEvents) stream.once(event, settle);
    signal.addEventListener('abort', settle, { once: true });
  });
}

const drainEvents = ['drain', 'close', 'error'] as const;
