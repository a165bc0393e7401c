/** Starts the real services that tests need, on free ports. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { serveControl } from './control.ts';
import { KafkaBrokers, kafkaLacks, kafkaPassword, kafkaUser } from './kafka.ts';
import type { SecureAddresses } from './kafka.ts';
import { findMemcached, startMemcached } from './memcached.ts';
import { findMinio, makeBucket, minioPassword, minioUser, startMinio } from './minio.ts';
import { findRedis, startRedis } from './redis.ts';

export type ServiceName = 'kafka' | 'redis' | 'memcached' | 's3';

export const serviceNames: readonly ServiceName[] = ['kafka', 'redis', 'memcached', 's3'];

interface ServicesOptions {
  /** Logs and data. Data of an earlier run is used again. */
  readonly directory: string;
  readonly names: ReadonlySet<ServiceName>;
  readonly brokers: number;
  /** Address by which Kafka is reached, and tells clients to reach it. Default 127.0.0.1, as the others. */
  readonly host?: string;
  /** Receives the names of missing services, with the reason. */
  readonly say: (text: string) => void;
}

interface BucketAccess {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Real services on free ports of this machine; undefined: not requested, or missing. */
export interface Services {
  /** `host:port,host:port`. */
  readonly kafka?: string;
  /** Requests to Kafka until now, by API key; without those by TLS. */
  readonly kafkaRequests?: ReadonlyMap<number, number>;
  /** The same brokers by TLS and with a password. */
  readonly kafkaSecure?: SecureAddresses;
  /** Breaks brokers, when there are several. */
  readonly kafkaControl?: string;
  /** `host:port`. */
  readonly redis?: string;
  readonly redisBinary?: string;
  /** `host:port`. */
  readonly memcached?: string;
  readonly memcachedBinary?: string;
  readonly s3?: BucketAccess;
  stop(): Promise<void>;
}

/** Where jars and binaries are kept between runs. */
export const servicesCache =
  process.env['LOKI_SERVICES_CACHE'] || path.join(os.homedir(), '.cache', 'loki-services');
const cache = servicesCache;
const bucket = 'loki';

/**
 * Starts the requested services that this machine has. Those that started are stopped again when one fails.
 */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { directory, names } = options;
  fs.mkdirSync(cache, { recursive: true });
  fs.mkdirSync(directory, { recursive: true });
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    await Promise.allSettled(stops.splice(0).map(async (each) => each()));
  };
  try {
    // Side by side: most of the time is waiting.
    const started = await Promise.allSettled([
      names.has('redis') ? addRedis(options, stops) : {},
      names.has('memcached') ? addMemcached(options, stops) : {},
      names.has('s3') ? addMinio(options, stops) : {},
      names.has('kafka') ? addKafka(options, stops) : {},
    ]);
    const services: Omit<Services, 'stop'>[] = [];
    for (const each of started) {
      if (each.status === 'rejected') throw each.reason;
      services.push(each.value);
    }
    return { ...Object.assign({}, ...services), stop } as Services;
  } catch (error) {
    await stop();
    throw error;
  }
}

type Stops = (() => Promise<void> | void)[];

async function addKafka({ directory, brokers, host, say }: ServicesOptions, stops: Stops) {
  const lack = kafkaLacks(cache);
  if (lack !== undefined) {
    say(`skipped: Kafka: ${lack}`);
    return {};
  }
  const kafka = await KafkaBrokers.start(brokers, directory, cache, host);
  if (kafka === undefined) {
    say('skipped: Kafka: its jars could not be fetched from Maven Central');
    return {};
  }
  stops.push(() => kafka.stop());
  const addresses = { kafka: kafka.addresses, kafkaSecure: kafka.secure, kafkaRequests: kafka.requests };
  if (brokers < 3) return addresses;
  const control = await serveControl(kafka);
  stops.push(control.close);
  return { ...addresses, kafkaControl: control.url };
}

async function addRedis({ directory, say }: ServicesOptions, stops: Stops) {
  const binary = findRedis();
  if (binary === undefined) {
    say('skipped: Redis: there is no redis-server (Debian: apt-get install redis-server)');
    return {};
  }
  const redis = await startRedis(binary, directory);
  stops.push(() => redis.stop());
  return { redis: `127.0.0.1:${redis.port}`, redisBinary: binary };
}

async function addMemcached({ directory, say }: ServicesOptions, stops: Stops) {
  const binary = findMemcached();
  if (binary === undefined) {
    say('skipped: memcached: there is none (Debian: apt-get install memcached)');
    return {};
  }
  const memcached = await startMemcached(binary, directory);
  stops.push(() => memcached.stop());
  return { memcached: `127.0.0.1:${memcached.port}`, memcachedBinary: binary };
}

async function addMinio({ directory, say }: ServicesOptions, stops: Stops) {
  const binary = findMinio(cache);
  if (binary === undefined) {
    say('skipped: MinIO: there is no minio in the path, in $MINIO_BINARY or in the cache');
    return {};
  }
  const minio = await startMinio(binary, directory);
  stops.push(() => minio.stop());
  await makeBucket(minio.endpoint, bucket);
  const s3: BucketAccess = {
    endpoint: minio.endpoint,
    bucket,
    accessKeyId: minioUser,
    secretAccessKey: minioPassword,
  };
  return { s3 };
}

/** For the tests of adapters. */
export function testVariables(services: Services): Record<string, string> {
  const { kafka, kafkaSecure, kafkaControl, redis, redisBinary, memcached, memcachedBinary, s3 } = services;
  return {
    ...(kafka ? { LOKI_TEST_KAFKA_BROKERS: kafka } : {}),
    ...(kafkaSecure
      ? {
          LOKI_TEST_KAFKA_SECURE_BROKERS: kafkaSecure.addresses,
          LOKI_TEST_KAFKA_CA: kafkaSecure.ca,
          LOKI_TEST_KAFKA_USER: kafkaUser,
          LOKI_TEST_KAFKA_PASSWORD: kafkaPassword,
        }
      : {}),
    ...(kafkaControl ? { LOKI_TEST_KAFKA_CONTROL: kafkaControl } : {}),
    ...(redis && redisBinary
      ? { LOKI_TEST_REDIS_URL: `redis://${redis}`, LOKI_TEST_REDIS_SERVER: redisBinary }
      : {}),
    ...(memcached && memcachedBinary
      ? { LOKI_TEST_MEMCACHED: memcached, LOKI_TEST_MEMCACHED_SERVER: memcachedBinary }
      : {}),
    ...(s3
      ? {
          LOKI_TEST_S3_ENDPOINT: s3.endpoint,
          AWS_ACCESS_KEY_ID: s3.accessKeyId,
          AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
        }
      : {}),
  };
}
