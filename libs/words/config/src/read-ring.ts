/** Reads the configuration of rings and of their stores. */
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import { schema } from './schema.ts';
import type { MemberRingConfig, RedisConfig, RingConfig, RingStoreConfig } from './service-config.ts';
import type { Settings } from './settings.ts';

const common = 'common.ring';
const stores = ['', 'inmemory', 'redis', 'memberlist', 'consul', 'etcd', 'multi'];
/** Loki's default, for blocks without a key for it. */
const defaultTokens = 128;

/** The ring of ingesters; other rings take defaults from it. */
export function readRing(settings: Settings, notices: ConfigNotice[]): RingConfig {
  const factor =
    settings.number('common.replication_factor') ||
    settings.number('ingester.lifecycler.ring.replication_factor');
  return {
    ...readStore(settings, `${common}.kvstore`, notices),
    instanceId: settings.text(`${common}.instance_id`) || settings.text('ingester.lifecycler.id'),
    instanceAddr:
      settings.text(`${common}.instance_addr`) ||
      settings.text('common.instance_addr') ||
      settings.text('ingester.lifecycler.address'),
    instancePort: settings.number(`${common}.instance_port`) || settings.number('ingester.lifecycler.port'),
    zone:
      settings.text(`${common}.instance_availability_zone`) ||
      settings.text('ingester.lifecycler.availability_zone'),
    zoneAwarenessEnabled:
      settings.flag(`${common}.zone_awareness_enabled`) ||
      settings.flag('ingester.lifecycler.ring.zone_awareness_enabled'),
    replicationFactor: factor,
    tokens: settings.number('ingester.lifecycler.num_tokens'),
    heartbeatPeriodMs: settings.durationMs(`${common}.heartbeat_period`),
    heartbeatTimeoutMs: settings.durationMs(`${common}.heartbeat_timeout`),
  };
}

/** The ring of one kind of component: its own block wins over `common.ring`, as in Loki. */
export function readMemberRing(
  settings: Settings,
  block: string,
  ring: RingConfig,
  notices: ConfigNotice[],
): MemberRingConfig {
  const ownValues = settings.below(block);
  const hasKey = (key: string) => schema().byPath.has(`${block}.${key}`);
  const text = (key: string) => (hasKey(key) ? settings.text(`${block}.${key}`) : '');
  const durationMs = (key: string) => {
    // If neither block sets the key, the default of the component's own block applies.
    const isCommon = !ownValues.has(key) && settings.below(common).has(key);
    return settings.durationMs(`${isCommon ? common : block}.${key}`);
  };
  const hasStore = (ownValues.get('kvstore.store') ?? '') !== '';
  const store = hasStore ? readStore(settings, `${block}.kvstore`, notices) : storeOf(ring);
  const prefix = ownValues.get('kvstore.prefix');
  return {
    ...store,
    prefix: typeof prefix === 'string' ? settings.text(`${block}.kvstore.prefix`) : ring.prefix,
    instanceId: text('instance_id') || ring.instanceId,
    instanceAddr: text('instance_addr') || ring.instanceAddr,
    instancePort:
      (hasKey('instance_port') ? settings.number(`${block}.instance_port`) : 0) || ring.instancePort,
    zone: text('instance_availability_zone') || ring.zone,
    tokens: (hasKey('num_tokens') ? settings.number(`${block}.num_tokens`) : 0) || defaultTokens,
    heartbeatPeriodMs: durationMs('heartbeat_period'),
    heartbeatTimeoutMs: durationMs('heartbeat_timeout'),
  };
}

function storeOf({ store, joinMembers, prefix, redis }: RingStoreConfig): RingStoreConfig {
  return { store, joinMembers, prefix, redis };
}

function readStore(settings: Settings, kv: string, notices: ConfigNotice[]): RingStoreConfig {
  const store = settings.text(`${kv}.store`);
  const redis = readRedis(settings, `${kv}.redis`);
  if (!stores.includes(store)) {
    throw new ConfigError(`unknown kvstore ${JSON.stringify(store)}: use inmemory or redis`);
  }
  if (store === 'redis' && redis.endpoint === '') {
    throw new ConfigError(`${kv}.redis.endpoint must be set when the store is redis`);
  }
  const isRedis = redis.endpoint !== '' && store !== 'inmemory';
  const joinMembers = settings.list('memberlist.join_members');
  const isJoined = !isRedis && store === 'memberlist' && joinMembers.length > 0;
  if (!isRedis && !isJoined && !['', 'inmemory'].includes(store)) {
    notices.push({
      level: 'warn',
      message: `${kv}.store: ${store} is not supported; the ring stays in this process unless ${kv}.redis.endpoint is set`,
    });
  }
  return {
    store: isRedis ? 'redis' : isJoined ? 'joined' : 'memory',
    joinMembers,
    prefix: settings.text(`${kv}.prefix`),
    redis,
  };
}

export function readRedis(settings: Settings, path: string): RedisConfig {
  return {
    endpoint: settings.text(`${path}.endpoint`),
    masterName: settings.text(`${path}.master_name`),
    username: settings.text(`${path}.username`),
    password: settings.text(`${path}.password`),
    db: settings.number(`${path}.db`),
    tlsEnabled: settings.flag(`${path}.tls_enabled`),
    tlsInsecureSkipVerify: settings.flag(`${path}.tls_insecure_skip_verify`),
    timeoutMs: settings.durationMs(`${path}.timeout`),
  };
}
