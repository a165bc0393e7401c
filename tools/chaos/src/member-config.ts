/** Configuration of one process of the chaos test. */
import path from 'node:path';
import type { Member } from '@loki/dev-cluster';
import { minioPassword, minioUser } from '@loki/services';
import { bucketName } from './services.ts';
import type { BreakableServices } from './services.ts';

/** The addresses and directories that the whole system shares. */
export interface Place {
  readonly directory: string;
  readonly services: BreakableServices;
  /** Partitions of the write log. */
  readonly partitions: number;
}

/**
 * One member's configuration, as JSON, which is also YAML. Times are shorter than in production, so that each
 * round has flushes, compactions and moves of ownership.
 */
export function memberConfig(member: Member, { directory, services, partitions }: Place): string {
  return JSON.stringify({
    auth_enabled: false,
    server: {
      http_listen_address: '127.0.0.1',
      http_listen_port: member.httpPort,
      grpc_listen_address: '127.0.0.1',
      grpc_listen_port: member.grpcPort,
      graceful_shutdown_timeout: '5s',
    },
    common: {
      path_prefix: path.join(directory, member.name),
      replication_factor: 3,
      storage: storageConfig(directory, services),
      ring: {
        instance_id: member.name,
        instance_addr: '127.0.0.1',
        instance_availability_zone: member.zone,
        zone_awareness_enabled: true,
        heartbeat_period: '2s',
        heartbeat_timeout: '10s',
        kvstore: { store: 'redis', redis: { endpoint: `127.0.0.1:${services.redis.port}` } },
      },
    },
    // Lines may lag their stream by half of max_chunk_age: longer than a client waits before it repeats a
    // push.
    ingester: { max_chunk_age: '24s', chunk_idle_period: '3s' },
    compactor: {
      compaction_interval: '5s',
      working_directory: path.join(directory, member.name, 'compactor'),
    },
    write_log: { kind: 'kafka', partitions },
    worker_pool: { threads: 1 },
    kafka_config: {
      topic: 'chaos',
      reader_config: { address: services.kafka.addresses },
      writer_config: { address: services.kafka.addresses },
      // Longer than a leader needs to move, and shorter than a client waits: the client still gets the
      // reason.
      write_timeout: '8s',
    },
    limits_config: { ingestion_rate_mb: 1024, ingestion_burst_size_mb: 1024 },
  });
}

/** The bucket, or a directory that all members share. */
function storageConfig(directory: string, { minio }: BreakableServices): object {
  if (!minio) return { filesystem: { chunks_directory: path.join(directory, 'store') } };
  return {
    s3: {
      endpoint: minio.endpoint,
      bucketnames: bucketName,
      access_key_id: minioUser,
      secret_access_key: minioPassword,
      s3forcepathstyle: true,
      insecure: true,
    },
  };
}
