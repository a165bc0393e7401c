import path from 'node:path';
import { parse } from 'yaml';
import type { Member } from '@loki/dev-cluster';
import type { Services } from '@loki/services';

export interface ClusterPlace {
  /** Data of all processes. */
  readonly directory: string;
  readonly services: Services;
  /** Of the topic, of the ring's keys, and of objects in the bucket. */
  readonly runName: string;
}

/** More than the compactor wants to see of an open day. */
const partitionCount = 16;

/** Maps, lists and scalars, as YAML gives them. */
type Tree = Record<string, unknown>;

/** The configuration that the answers were recorded with, for one of several processes that share services. */
export function memberConfig(recorded: string, member: Member, place: ClusterPlace): string {
  const { directory, services, runName } = place;
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
    // Every cache is on: what is kept must be what would be computed.
    query_range: {
      cache_results: true,
      cache_instant_metric_results: true,
      results_cache: { cache: { redis: { endpoint: services.redis } } },
    },
    // Processes share two cores.
    worker_pool: { threads: 1 },
    ruler: { enable_sharding: true, rule_path: path.join(directory, member.name, 'rule-tmp') },
  };
  const merged = merge(parse(recorded) as Tree, overlay);
  if (s3) nameS3(merged);
  // JSON is YAML.
  return JSON.stringify(merged, undefined, 2);
}

/** The recorded schema says filesystem, which names the store of segments. */
function nameS3(config: Tree): void {
  const { configs } = config['schema_config'] as { configs: Tree[] };
  for (const period of configs) period['object_store'] = 's3';
}

function merge(base: Tree, over: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isTree(before) && isTree(value) ? merge(before, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
