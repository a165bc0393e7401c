/**
 * Converts values of Loki's own chart (6.x, its three modes) to values of ours. It takes each value from a
 * copy: values that remain have no effect, and are reported.
 */
import YAML from 'yaml';
import { loadConfig } from '@loki/config';
import { blockNames, blocks, ownKeys, sameKeys, stateful, successors } from './chart-keys.ts';
import type { Target } from './chart-keys.ts';
import { reasonOf } from './chart-no-effect.ts';
import { TakenValues, isMap, mergeValues, put } from './chart-values.ts';
import type { Values } from './chart-values.ts';

interface Conversion {
  readonly values: Values;
  /** A line for each key without effect, and for each decision that is left to the operator. */
  readonly notes: readonly string[];
}

/** @throws Error for values that cannot work here: another kind of bucket */
export async function convertChart(text: string): Promise<Conversion> {
  const parsed = YAML.parse(text) as unknown;
  const source = new TakenValues(isMap(parsed) ? parsed : {});
  const target: Target = {};
  const notes: string[] = [];
  const isSingle = source.takeText('deploymentMode') === 'SingleBinary';
  put(target, 'mode', isSingle ? 'single' : undefined);
  convertNames(source, target);
  for (const [theirs, ours] of Object.entries(successors)) convertComponent(source, theirs, ours, target);
  convertStorage(source, target, isSingle);
  convertGateway(source, target, isSingle);
  convertMonitoring(source, target);
  const config = convertConfig(source, notes);
  put(target, 'overrides', source.takeMap('loki.runtimeConfig.overrides'));
  put(target, 'loki.config', config);
  if (!isSingle && isMap(config['ruler']) && !isMap(target['ruler'])) put(target, 'ruler.replicas', 1);
  for (const [reason, paths] of byReason(source.untakenPaths())) {
    notes.push(`no effect: ${paths.join(', ')}: ${reason}`);
  }
  notes.push(...(await configNotes(config)));
  return { values: target, notes };
}

function byReason(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  return Map.groupBy(paths, reasonOf);
}

function convertNames(source: TakenValues, target: Target): void {
  put(target, 'fullnameOverride', source.take('fullnameOverride'));
  put(
    target,
    'global.imageRegistry',
    source.take('global.imageRegistry') ?? source.take('global.image.registry'),
  );
  put(target, 'global.imagePullSecrets', source.take('imagePullSecrets'));
  put(target, 'defaults.priorityClassName', source.take('global.priorityClassName'));
  put(target, 'defaults.podAnnotations', source.take('loki.podAnnotations'));
  put(target, 'defaults.podLabels', source.take('loki.podLabels'));
  put(target, 'defaults.serviceAnnotations', source.take('loki.serviceAnnotations'));
  put(target, 'defaults.serviceLabels', source.take('loki.serviceLabels'));
  put(target, 'defaults.podSecurityContext', source.take('loki.podSecurityContext'));
  put(target, 'defaults.containerSecurityContext', source.take('loki.containerSecurityContext'));
  put(target, 'serviceAccount', source.takeAll('serviceAccount', ['create', 'name', 'annotations']));
  put(
    target,
    'rbac.automountServiceAccountToken',
    source.take('serviceAccount.automountServiceAccountToken'),
  );
  put(target, 'networkPolicy.enabled', source.take('networkPolicy.enabled'));
  put(target, 'extraObjects', source.take('extraObjects'));
}

function convertComponent(
  source: TakenValues,
  theirs: string,
  ours: readonly string[],
  target: Target,
): void {
  const values: Target = {};
  Object.assign(values, source.takeAll(theirs, sameKeys));
  put(values, 'pdb.maxUnavailable', source.take(`${theirs}.maxUnavailable`));
  const scaling = `${theirs}.autoscaling`;
  put(
    values,
    'autoscaling',
    source.takeAll(scaling, [
      'enabled',
      'minReplicas',
      'maxReplicas',
      'targetCPUUtilizationPercentage',
      'targetMemoryUtilizationPercentage',
      'customMetrics',
    ]),
  );

  source.take(`${scaling}.behavior.enabled`);
  put(values, 'autoscaling.behavior', source.take(`${scaling}.behavior`));
  put(
    values,
    'persistence',
    source.takeAll(`${theirs}.persistence`, ['enabled', 'storageClass', 'size', 'whenDeleted', 'whenScaled']),
  );

  // The chart of three modes sets the replicas of the others to 0.
  if (values['replicas'] === 0) return;
  for (const name of ours) {
    const own = structuredClone(values);
    // Deployments have no volumes of their own.
    if (!stateful.includes(name)) delete own['persistence'];
    put(target, name, own);
  }
}

function convertStorage(source: TakenValues, target: Target, isSingle: boolean): void {
  const type = source.takeText('loki.storage.type');
  if (!['', 's3', 'filesystem'].includes(type)) {
    throw new Error(`loki.storage.type ${type}: logs are kept in S3, a service that speaks it, or in files`);
  }
  if (type === 'filesystem' && !isSingle) {
    throw new Error('loki.storage.type filesystem is for deploymentMode SingleBinary');
  }
  const s3 = 'loki.storage.s3';
  const isMinio = source.take('minio.enabled') === true;
  if (!isSingle && !isMinio) put(target, 'minio.bundled', false);
  put(target, 'storage.type', type === 'filesystem' ? type : isMinio && isSingle ? 's3' : undefined);
  put(target, 'storage.bucket', source.take('loki.storage.bucketNames.chunks'));
  // Rules are stored beside logs.
  source.take('loki.storage.bucketNames.ruler');
  source.take('loki.storage.bucketNames.admin');
  const own = source.takeAll(s3, ['endpoint', 'region', 'insecure', ...Object.keys(credentials)]);
  for (const [key, value] of Object.entries({ ...partsOfUrl(source, `${s3}.s3`), ...own })) {
    // The chart writes its Secret as it is, without variables.
    const isVariable = Object.hasOwn(credentials, key) && String(value).includes('${');
    if (isVariable) put(target, `loki.config.common.storage.s3.${credentials[key]}`, value);
    else if (key !== 'bucket' || !isMap(target['storage']) || !('bucket' in target['storage'])) {
      put(target, `storage.${key}`, value);
    }
  }
  put(target, 'storage.forcePathStyle', source.take(`${s3}.s3ForcePathStyle`));
  put(target, 'minio.persistence.size', source.take('minio.persistence.size'));
  put(target, 'minio.persistence.storageClass', source.take('minio.persistence.storageClass'));
}

/** Keys of the chart, and those of the configuration. */
const credentials: Readonly<Record<string, string>> = {
  accessKeyId: 'access_key_id',
  secretAccessKey: 'secret_access_key',
};

/** `s3://key:secret@host/bucket`; a host without a dot and a port is a region. Other forms are refused. */
function partsOfUrl(source: TakenValues, path: string): Values {
  const text = source.takeText(path);
  if (!URL.canParse(text)) return {};
  const { host, port, username, password, pathname } = new URL(text);
  return {
    [host.includes('.') || port !== '' ? 'endpoint' : 'region']: host,
    accessKeyId: decodeURIComponent(username),
    secretAccessKey: decodeURIComponent(password),
    bucket: pathname.slice(1),
  };
}

function convertGateway(source: TakenValues, target: Target, isSingle: boolean): void {
  const service = 'gateway.service';
  put(
    target,
    'gateway.service',
    source.takeAll(service, [
      'type',
      'port',
      'nodePort',
      'clusterIP',
      'loadBalancerClass',
      'loadBalancerSourceRanges',
    ]),
  );

  const door = isSingle ? 'single' : 'gateway';
  put(target, `${door}.serviceAnnotations`, source.take(`${service}.annotations`));
  put(target, `${door}.serviceLabels`, source.take(`${service}.labels`));
  const replicas = source.take('gateway.replicas');
  const before = isMap(target['gateway']) ? target['gateway']['replicas'] : undefined;
  const most = Math.max(Number(replicas ?? 0), Number(before ?? 0));
  if (!isSingle && most > 0) put(target, 'gateway.replicas', most);
  for (const from of ['gateway.ingress', 'ingress']) {
    if (source.take(`${from}.enabled`) !== true) continue;
    put(target, 'ingress.enabled', true);
    put(target, 'ingress', source.takeAll(from, ['ingressClassName', 'annotations', 'labels', 'tls']));
    const hosts = source.take(`${from}.hosts`);
    const names = Array.isArray(hosts)
      ? hosts.map((host: unknown) => (isMap(host) ? host['host'] : host))
      : [];
    put(target, 'ingress.hosts', names);
  }
}

function convertMonitoring(source: TakenValues, target: Target): void {
  const keys = {
    serviceMonitor: [
      'enabled',
      'labels',
      'annotations',
      'interval',
      'scrapeTimeout',
      'relabelings',
      'metricRelabelings',
    ],
    rules: ['enabled', 'labels', 'annotations', 'additionalGroups'],
    dashboards: ['enabled', 'labels', 'annotations'],
  };
  for (const [part, names] of Object.entries(keys)) {
    put(target, `monitoring.${part}`, source.takeAll(`monitoring.${part}`, names));
  }
}

function convertConfig(source: TakenValues, notes: string[]): Values {
  const config: Target = {};
  const isAuthEnabled = source.take('loki.auth_enabled');
  if (isAuthEnabled === false) config['auth_enabled'] = false;
  for (const block of blocks) put(config, blockNames.get(block) ?? block, source.takeMap(`loki.${block}`));
  const merged = mergeValues(config, source.takeMap('loki.structuredConfig'));
  const values = new TakenValues(merged);
  const settled = structuredClone(merged) as Target;
  for (const [path, reason] of ownKeys) {
    if (values.take(path) === undefined) continue;
    remove(settled, path);
    notes.push(`no effect: loki.${path}: ${reason}`);
  }
  return settled;
}

function remove(tree: Target, path: string): void {
  const [key, ...rest] = path.split('.');
  if (rest.length === 0) delete tree[key];
  else if (isMap(tree[key])) remove(tree[key] as Target, rest.join('.'));
  if (isMap(tree[key]) && Object.keys(tree[key]).length === 0) delete tree[key];
}

/** The configuration's own messages: keys that it does not know or use. */
async function configNotes(config: Values): Promise<string[]> {
  const loaded = await loadConfig({
    argv: ['-config.file=loki.config', '-verify-config'],
    env: () => undefined,
    // The chart names the bucket.
    readText: async () =>
      YAML.stringify(mergeValues({ common: { storage: { s3: { bucketnames: 'bucket' } } } }, config)),
    versionText: '',
  });
  if (loaded.kind !== 'exit') return [];
  return loaded.stderr
    .split('\n')
    .filter((line) => line !== '')
    .map(
      (line) =>
        `loki.config: ${/msg=(".*")$/.exec(line) ? (JSON.parse(/msg=(".*")$/.exec(line)![1]) as string) : line}`,
    );
}
