/** Kafka, Redis and MinIO of the chaos test, with ways to break them. */
import fs from 'node:fs';
import { Redis } from 'ioredis';
import {
  findMinio,
  findRedis,
  KafkaBrokers,
  kafkaLacks,
  makeBucket,
  servicesCache,
  startMinio,
  startRedis,
} from '@loki/services';
import type { RunningMinio, RunningRedis } from '@loki/services';

export const bucketName = 'chaos';
export const brokerCount = 3;

/** Kafka with three brokers, Redis and MinIO, each of which can be broken and mended. */
export interface BreakableServices {
  readonly kafka: KafkaBrokers;
  readonly redis: RunningRedis;
  /** undefined: this machine has none, and all processes share a directory. */
  readonly minio: RunningMinio | undefined;
  stop(): Promise<void>;
}

export function hasMinio(): boolean {
  return findMinio(servicesCache) !== undefined;
}

/** @throws when Kafka or Redis is missing */
export async function startBreakableServices(directory: string): Promise<BreakableServices> {
  const lacks = kafkaLacks(servicesCache);
  const redisBinary = findRedis();
  const minioBinary = findMinio(servicesCache);
  if (lacks !== undefined) throw new Error(`Kafka: ${lacks}`);
  if (redisBinary === undefined) throw new Error('Redis: there is no redis-server (Debian: redis-server)');
  fs.mkdirSync(directory, { recursive: true });
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    await Promise.allSettled(stops.splice(0).map((each) => each()));
  };
  try {
    const redis = await startRedis(redisBinary, directory);
    stops.push(() => redis.stop());
    const minio = minioBinary === undefined ? undefined : await startMinio(minioBinary, directory);
    if (minio) {
      stops.push(() => minio.stop());
      await makeBucket(minio.endpoint, bucketName);
    }
    const kafka = await KafkaBrokers.start(brokerCount, directory, servicesCache);
    if (!kafka) throw new Error('Kafka: its jars could not be fetched from Maven Central');
    stops.push(() => kafka.stop());
    return { kafka, redis, minio, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The content of Redis at one moment, to be restored later. */
export type RedisImage = readonly { readonly key: string; readonly dump: Buffer }[];

export function imageOf(port: number): Promise<RedisImage> {
  return withRedis(port, async (redis) => {
    const image = [];
    for (const key of await redis.keys('*')) {
      const dump = await redis.dumpBuffer(key);
      if (dump) image.push({ key, dump });
    }
    return image;
  });
}

/** Drops the content of Redis, and restores `image`. */
export function rewind(port: number, image: RedisImage): Promise<void> {
  return withRedis(port, async (redis) => {
    await redis.flushall();
    for (const { key, dump } of image) await redis.restore(key, 0, dump);
  });
}

async function withRedis<T>(port: number, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: 5, connectTimeout: 2_000 });
  // The failing command reports it.
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
