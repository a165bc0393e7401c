/** The recorded configuration for separate processes. */
import path from 'node:path';
import { parse } from 'yaml';
import type { Member } from '@loki/dev-cluster';
import type { Services } from '@loki/services';
import { merge, waySettings } from './ways.ts';
import type { Tree, Way } from './ways.ts';

interface ClusterPlace {
  /** Data of all processes. */
  readonly directory: string;
  readonly services: Services;
  /** Prefix of the topic, of the ring's keys, and of objects in the bucket. */
  readonly runName: string;
  readonly way: Way;
}

const partitionCount = 4;

/** The configuration of the recording, adapted for one of several processes that share services. */
export function memberConfig(recorded: string, member: Member, place: ClusterPlace): string {
  const { directory, services, runName, way } = place;
  const { s3 } = services;
  const overlay: Tree = {
    server: { http_listen_port: member.httpPort, grpc_listen_port: member.grpcPort },
    common: {
      path_prefix: path.join(directory, member.name),
      replication_factor: 3,
      ring: {
        instance_id: member.name,
        instance_addr: '127.0.0.1',
        instance_availability_zone: member.zone,
        zone_awareness_enabled: true,
        kvstore: { store: 'redis', prefix: `${runName}/`, redis: { endpoint: services.redis } },
      },
      ...(s3
        ? {
            storage: {
              s3: {
                endpoint: s3.endpoint,
                bucketnames: s3.bucket,
                access_key_id: s3.accessKeyId,
                secret_access_key: s3.secretAccessKey,
                s3forcepathstyle: true,
              },
            },
          }
        : {}),
    },
    ...(s3 ? { storage_config: { object_prefix: runName } } : {}),
    write_log: { kind: 'kafka', partitions: partitionCount },
    kafka_config: {
      topic: runName,
      reader_config: { address: services.kafka },
      writer_config: { address: services.kafka },
    },
    // Processes share two cores.
    worker_pool: { threads: 1 },
    ruler: { enable_sharding: true, rule_path: path.join(directory, member.name, 'rule-tmp') },
  };
  const merged = merge(merge(parse(recorded) as Tree, overlay), waySettings(way, services.redis));
  if (s3) nameS3(merged);
  // JSON is YAML.
  return JSON.stringify(merged, undefined, 2);
}

/** The recorded schema says filesystem, which names the store of segments. */
function nameS3(config: Tree): void {
  const { configs } = config['schema_config'] as { configs: Tree[] };
  for (const period of configs) period['object_store'] = 's3';
}
