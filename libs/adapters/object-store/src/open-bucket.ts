import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type * as minio from 'minio';
import type { Client, ClientOptions } from 'minio';
import { LokiError } from '@loki/model';
import type { Logger, ObjectStore, Random, Timers } from '@loki/ports';
import { MinioObjectStore } from './minio-object-store.ts';

/** Where a bucket is, and who asks. */
export interface BucketOptions {
  /** Host without port or scheme. */
  readonly endpoint: string;
  readonly port: number;
  readonly useTls: boolean;
  readonly region: string;
  readonly bucket: string;
  /** '' : Amazon's own ways (role of the machine, of the pod), or nobody, for other servers. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /**
   * False: the bucket is the first part of the host name. Servers that have no name of their own cannot do
   * that.
   */
  readonly forcePathStyle: boolean;
  readonly insecureSkipVerify: boolean;
  /** PEM of the authorities that may vouch for the server; absent: the system's. */
  readonly ca?: string;
  /** '' : the bucket's own. */
  readonly storageClass: string;
}

interface BucketWorld {
  readonly timers: Timers;
  readonly random: Random;
}

/** Connections at once; more requests wait for one. */
const socketsMax = 128;
/** A connection on which nothing moves is closed: attempts that were given up would hold it for ever. */
const socketIdleMs = 60_000;
const bucketAttemptMs = 10_000;

/** The bucket's objects. Nothing is asked of the server yet. */
export function openBucket(options: BucketOptions, world: BucketWorld): MinioObjectStore {
  return new MinioObjectStore({
    client: newClient(options),
    bucket: options.bucket,
    storageClass: options.storageClass || undefined,
    ...world,
  });
}

/**
 * Proves at the start that the bucket is there, that we may use it, and that it creates an object only once:
 * two processes that both believe to have created the same manifest would lose entries.
 *
 * @throws LokiError `unavailable` when the server does not answer within `timeoutMs`; `internal`, saying what
 *   to do, when it does and the bucket will not do
 */
export async function proveBucket(
  options: BucketOptions,
  world: BucketWorld & { store: ObjectStore; logger?: Logger; timeoutMs?: number },
): Promise<void> {
  const { timers, random, store, logger, timeoutMs = 60_000 } = world;
  const client = newClient(options);
  const place = `bucket ${options.bucket} at ${options.endpoint}:${options.port}`;
  const attempts = Math.max(1, Math.ceil(timeoutMs / 2_000));
  for (let attempt = 1; ; attempt++) {
    try {
      const isThere = await withDeadline(client.bucketExists(options.bucket), timers);
      if (!isThere) throw new LokiError('internal', `${place} does not exist: make it, or name another one`);
      break;
    } catch (error) {
      if (error instanceof LokiError) throw error;
      const text = refusal(error);
      if (text !== undefined) throw new LokiError('internal', `${place}: ${text}`, { cause: error });
      const reason = error instanceof Error ? error.message || String(error) : String(error);
      if (attempt >= attempts) {
        throw new LokiError('unavailable', `${place} does not answer: ${reason}`, { cause: error });
      }
      logger?.warn('the object store does not answer yet', { bucket: options.bucket, err: reason });
    }
    await timers.sleep(2_000);
  }
  await proveCreate(store, random, place);
}

async function proveCreate(store: ObjectStore, random: Random, place: string): Promise<void> {
  const key = `probe/${Buffer.from(random.bytes(12)).toString('hex')}`;
  try {
    const isFirst = await store.putIfAbsent(key, Buffer.from('first'));
    const isSecond = await store.putIfAbsent(key, Buffer.from('second'));
    if (isFirst && !isSecond) return;
  } finally {
    await store.delete(key).catch(() => undefined); // a small object stays; nobody reads it
  }
  throw new LokiError(
    'internal',
    `${place} creates an object that exists already (no support for If-None-Match: *): it cannot keep manifests`,
  );
}

/** What the server says when it will say the same again; undefined for what may pass. */
function refusal(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'AccessDenied':
    case 'Forbidden':
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'UnknownError403':
      return `the server refuses our access key (${String(code)})`;
    case 'InvalidBucketName':
    case 'InvalidBucketNameError':
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return `the server refuses the request (${String(code)}): check bucket name and region`;
    default:
      return undefined;
  }
}

function newClient(options: BucketOptions): Client {
  // Loaded by who has a bucket, and not by each thread of those that have none.
  const { Client, IamAwsProvider } = createRequire(import.meta.url)('minio') as typeof minio;
  const { endpoint, port, useTls, region, accessKeyId, secretAccessKey, sessionToken } = options;
  const isAmazon = endpoint.endsWith('.amazonaws.com');
  const config: ClientOptions = {
    endPoint: endpoint,
    port,
    useSSL: useTls,
    region,
    pathStyle: options.forcePathStyle || !hasDomain(endpoint),
    transportAgent: newAgent(options),
    retryOptions: { disableRetry: true },
  };
  if (accessKeyId !== '') {
    config.accessKey = accessKeyId;
    config.secretKey = secretAccessKey;
    if (sessionToken !== '') config.sessionToken = sessionToken;
  } else if (isAmazon) {
    config.credentialsProvider = new IamAwsProvider({});
  }
  return new Client(config);
}

/** Whether names below the endpoint can exist: not for an address, nor for a short name such as `minio`. */
function hasDomain(endpoint: string): boolean {
  return net.isIP(endpoint) === 0 && endpoint.includes('.');
}

function newAgent(options: BucketOptions): http.Agent {
  const shared = {
    keepAlive: true,
    maxSockets: socketsMax,
    timeout: socketIdleMs,
    scheduling: 'lifo',
  } as const;
  const agent = options.useTls
    ? new https.Agent({ ...shared, rejectUnauthorized: !options.insecureSkipVerify, ca: options.ca })
    : new http.Agent(shared);
  const create = agent.createConnection.bind(agent);
  agent.createConnection = (connectOptions, callback): Duplex | null | undefined => {
    const socket = create(connectOptions, callback);
    if (socket instanceof net.Socket) {
      socket.setTimeout(socketIdleMs);
      socket.on('timeout', () => socket.destroy(new Error(`nothing moved in ${socketIdleMs} ms`)));
    }
    return socket;
  };
  return agent;
}

async function withDeadline<T>(action: Promise<T>, timers: Timers): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = timers.after(bucketAttemptMs, () => reject(new Error(`no answer in ${bucketAttemptMs} ms`)));
  try {
    return await Promise.race([action, late]);
  } finally {
    timer.cancel();
  }
}
