/** Reads the keys of the ruler. */
import path from 'node:path';
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import { readMemberRing } from './read-ring.ts';
import { readRulerStorage, rulesAreFiles } from './read-storage.ts';
import type { RulerConfig } from './role-config.ts';
import { addressList } from './scalars.ts';
import type { RingConfig } from './service-config.ts';
import type { Settings } from './settings.ts';

/** The configuration of the ruler; `ring` has the defaults of its own ring. */
export function readRuler(
  settings: Settings,
  dataDirectory: string,
  ring: RingConfig,
  notices: ConfigNotice[],
): RulerConfig {
  const labels = settings.raw('ruler.external_labels') ?? {};
  if (typeof labels !== 'object' || Array.isArray(labels)) {
    throw new ConfigError('ruler.external_labels is not a mapping');
  }
  const evaluationMode = settings.text('ruler.evaluation.mode');
  if (evaluationMode !== 'local' && evaluationMode !== 'remote') {
    throw new ConfigError(
      `invalid ruler.evaluation.mode ${JSON.stringify(evaluationMode)}: use local or remote`,
    );
  }
  const shardingStrategy = settings.text('ruler.sharding_strategy');
  if (shardingStrategy !== 'default' && shardingStrategy !== 'shuffle-sharding') {
    throw new ConfigError(
      `invalid ruler.sharding_strategy ${JSON.stringify(shardingStrategy)}: use default or shuffle-sharding`,
    );
  }
  return {
    enableApi: settings.flag('ruler.enable_api'),
    evaluationIntervalMs: settings.durationMs('ruler.evaluation_interval'),
    pollIntervalMs: settings.durationMs('ruler.poll_interval'),
    rulePath: settings.text('ruler.rule_path') || `${dataDirectory}/rules-temp`,
    alertmanagerUrls: addressList(settings.text('ruler.alertmanager_url')),
    alertmanagerBasicAuth: {
      username: settings.text('ruler.alertmanager_client.basic_auth_username'),
      password: settings.text('ruler.alertmanager_client.basic_auth_password'),
    },
    alertmanagerToken: {
      type: settings.text('ruler.alertmanager_client.type'),
      credentials: settings.text('ruler.alertmanager_client.credentials'),
      credentialsFile: settings.text('ruler.alertmanager_client.credentials_file'),
    },
    alertRelabelConfigs: settings.raw('ruler.alert_relabel_configs'),
    datasourceUid: settings.text('ruler.datasource_uid'),
    externalUrl: settings.text('ruler.external_url'),
    externalLabels: new Map(Object.entries(labels as object).map(([name, value]) => [name, String(value)])),
    notificationQueueCapacity: settings.number('ruler.notification_queue_capacity'),
    notificationTimeoutMs: settings.durationMs('ruler.notification_timeout'),
    forOutageToleranceMs: settings.durationMs('ruler.for_outage_tolerance'),
    forGracePeriodMs: settings.durationMs('ruler.for_grace_period'),
    resendDelayMs: settings.durationMs('ruler.resend_delay'),
    enableSharding: settings.flag('ruler.enable_sharding'),
    isShuffled: shardingStrategy === 'shuffle-sharding',
    ring: readMemberRing(settings, 'ruler.ring', ring, notices),
    evaluation: {
      isRemote: evaluationMode === 'remote',
      maxJitterMs: settings.durationMs('ruler.evaluation.max_jitter'),
      frontendAddress: settings.text('ruler.evaluation.query_frontend.address'),
    },
    enabledTenants: addressList(settings.text('ruler.enabled_tenants')),
    disabledTenants: addressList(settings.text('ruler.disabled_tenants')),
    remoteWriteEnabled: settings.flag('ruler.remote_write.enabled'),
    remoteWriteAddOrgId: settings.flag('ruler.remote_write.add_org_id_header'),
    remoteWriteClients: settings.raw('ruler.remote_write.clients'),
    walDirectory: path.resolve(dataDirectory, settings.text('ruler.wal.dir') || 'ruler-wal'),
    walMaxAgeMs: settings.durationMs('ruler.wal.max_age'),
    storage: readRulerStorage(settings, dataDirectory, notices),
    rulesAreFiles: rulesAreFiles(settings),
  };
}
