/** Opens a bucket and proves at the start that it can hold the catalog. */
import type { Agent } from 'node:http';
import { createRequire } from 'node:module';
import { isIP, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type * as minio from 'minio';
import type { Client, ClientOptions } from 'minio';
import { LokiError } from '@loki/model';
import type { Clock, ObjectStore, Random, Timers } from '@loki/ports';
import { http, https, observedTransport } from './bucket-transport.ts';
import type { RequestObservation } from './bucket-transport.ts';
import type { CredentialSource } from './credential-sources.ts';
import { MinioObjectStore } from './minio-object-store.ts';
import { requestsMax } from './request-window.ts';
import { RoleCredentials } from './role-credentials.ts';
import type { RoleKeys } from './role-keys.ts';

/** Address and credentials of a bucket. */
export interface BucketOptions {
  /** Host without port or scheme. */
  readonly endpoint: string;
  readonly port: number;
  readonly useTls: boolean;
  readonly region: string;
  readonly bucket: string;
  readonly credentials: CredentialSource;
  /** False: the bucket is the first part of the host name, which needs a server with a domain name. */
  readonly forcePathStyle: boolean;
  readonly insecureSkipVerify: boolean;
  /** PEM of trusted authorities; absent: the system's. */
  readonly ca?: string;
  /** '' : the bucket's own. */
  readonly storageClass: string;
  /** Absent: requests are not counted. */
  readonly observation?: RequestObservation;
}

interface BucketDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** Idle time after which a connection is closed: abandoned attempts would otherwise occupy it without end. */
const socketIdleMs = 60_000;
const bucketAttemptMs = 10_000;

/** Creates the store for a bucket. Sends no request: `proveBucket` checks the bucket at the start. */
export function openBucket(options: BucketOptions, deps: BucketDeps): MinioObjectStore {
  const { client, renewKeys } = newClient(options, deps);
  return new MinioObjectStore({
    client,
    renewKeys,
    bucket: options.bucket,
    storageClass: options.storageClass || undefined,
    ...deps,
  });
}

/**
 * Proves at the start that the bucket exists, that it may be used, and that it creates an object only once:
 * if two processes could both create the same manifest, entries would be lost.
 *
 * @throws LokiError `unavailable`, with the reason, when the server does not answer or refuses; `internal`
 *   when the bucket cannot hold manifests
 */
export async function proveBucket(
  options: BucketOptions,
  deps: BucketDeps & { store: ObjectStore },
): Promise<void> {
  const { timers, random, store } = deps;
  const { client } = newClient(options, deps);
  const place = `bucket ${options.bucket} at ${options.endpoint}:${options.port}`;
  let isThere: boolean;
  try {
    isThere = await withDeadline(client.bucketExists(options.bucket), timers);
  } catch (error) {
    const reason = await spokenReason(client, options.bucket, error, timers);
    throw new LokiError('unavailable', `${place}: ${missingText(reason, options.credentials)}`, {
      cause: error,
    });
  }
  if (!isThere) throw new LokiError('unavailable', `${place} does not exist: make it, or name another one`);
  await proveCreate(store, random, place);
}

/** The reason of a refusal: the answer to HEAD has no body, so GET is asked. */
async function spokenReason(
  client: Client,
  bucket: string,
  error: unknown,
  timers: Timers,
): Promise<unknown> {
  if (!hasStatus(error)) return error;
  const list = async (): Promise<unknown> => {
    for await (const object of client.listObjectsV2(bucket, '', false)) {
      void object;
      break;
    }
    return error;
  };
  return withDeadline(list(), timers).catch((reason: unknown) => reason);
}

/** Whether a server has answered at all: the network's codes begin with an E. */
function hasStatus(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  return !/^E[A-Z_]+$/.test(code);
}

async function proveCreate(store: ObjectStore, random: Random, place: string): Promise<void> {
  const key = `probe/${Buffer.from(random.bytes(12)).toString('hex')}`;
  try {
    const isFirst = await store.putIfAbsent(key, Buffer.from('first'));
    const isSecond = await store.putIfAbsent(key, Buffer.from('second'));
    if (isFirst && !isSecond) return;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LokiError('unavailable', `${place} cannot be written: ${reason}`, { cause: error });
  } finally {
    await store.delete(key).catch(() => undefined); // a small unused object remains
  }
  throw new LokiError(
    'internal',
    `${place} creates an object that exists already (no support for If-None-Match: *): it cannot keep manifests`,
  );
}

/** The reason of a failure, for the operator. */
function missingText(error: unknown, { keys, role }: CredentialSource): string {
  if (error instanceof Error && error.message.startsWith('Unable to get credentials')) {
    return error.cause instanceof Error ? error.cause.message : error.message;
  }
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const reason = error instanceof Error ? error.message || code : String(error);
  // Errors of the client itself have a name, and no code.
  switch (code || (error as Error | undefined)?.name) {
    case 'AccessDenied':
    case 'Forbidden':
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'UnknownError403':
      if (!keys && !role) {
        return `the server refuses requests without keys (${code}): set access_key_id and secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the process a role`;
      }
      return `the server refuses our access key (${code})`;
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'InvalidToken':
    case 'TokenRefreshRequired':
      return `the session token is no longer valid (${code})`;
    case 'RequestTimeTooSkewed':
      return `the clock of this machine differs too much from the server's (${code}): set it`;
    case 'InvalidBucketNameError':
      return `its name is none that a bucket can have: ${reason}`;
    case 'InvalidBucketName':
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return `the server refuses the request (${code}): check bucket name and region`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `its name is unknown (${code})`;
    default:
      return `it does not answer: ${reason}`;
  }
}

interface BucketClient {
  readonly client: Client;
  /** Called when the server reports expired keys. True: a role issues new ones. */
  readonly renewKeys: () => boolean;
}

function newClient(options: BucketOptions, deps: BucketDeps): BucketClient {
  // Loaded with the first bucket, so that threads without one do not load it.
  const { Client } = createRequire(import.meta.url)('minio') as typeof minio;
  const { endpoint, port, useTls, region, credentials } = options;
  const config: ClientOptions = {
    endPoint: endpoint,
    port,
    useSSL: useTls,
    region,
    pathStyle: options.forcePathStyle || !hasDomain(endpoint),
    transportAgent: newAgent(options),
    retryOptions: { disableRetry: true },
    ...(options.observation ? { transport: observedTransport(useTls, options.observation) } : {}),
  };
  const { keys, role } = credentials;
  if (keys) {
    config.accessKey = keys.accessKeyId;
    config.secretKey = keys.secretAccessKey;
    if (keys.sessionToken !== '') config.sessionToken = keys.sessionToken;
  }
  if (!role) return { client: new Client(config), renewKeys: () => false };
  const ofRole = new RoleCredentials(role, deps);
  let current: RoleKeys | undefined;
  // The client calls this before each request. Its package does not export the base class.
  config.credentialsProvider = {
    getCredentials: async () => {
      const { accessKeyId, secretAccessKey, sessionToken } = (current = await ofRole.keys());
      return {
        getAccessKey: () => accessKeyId,
        getSecretKey: () => secretAccessKey,
        getSessionToken: () => sessionToken || undefined,
      };
    },
  } as unknown as NonNullable<ClientOptions['credentialsProvider']>;
  const renewKeys = (): boolean => {
    if (current) ofRole.refuse(current);
    return true;
  };
  return { client: new Client(config), renewKeys };
}

/** Whether names below the endpoint can exist: not for an address, nor for a short name such as `minio`. */
function hasDomain(endpoint: string): boolean {
  return isIP(endpoint) === 0 && endpoint.includes('.');
}

function newAgent(options: BucketOptions): Agent {
  const shared = {
    keepAlive: true,
    maxSockets: requestsMax,
    timeout: socketIdleMs,
    scheduling: 'lifo',
  } as const;
  const agent = options.useTls
    ? new (https().Agent)({ ...shared, rejectUnauthorized: !options.insecureSkipVerify, ca: options.ca })
    : new (http().Agent)(shared);
  const create = agent.createConnection.bind(agent);
  agent.createConnection = (connectOptions, callback): Duplex | null | undefined => {
    const socket = create(connectOptions, callback);
    if (socket instanceof Socket) {
      socket.setTimeout(socketIdleMs);
      socket.on('timeout', () => socket.destroy(new Error(`nothing moved in ${socketIdleMs} ms`)));
    }
    return socket;
  };
  return agent;
}

async function withDeadline<T>(action: Promise<T>, timers: Timers): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = timers.after(bucketAttemptMs, () => reject(new Error(`no answer in ${bucketAttemptMs} ms`)));
  try {
    return await Promise.race([action, timeout]);
  } finally {
    timer.cancel();
  }
}
