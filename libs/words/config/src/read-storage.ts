/** Reads the configuration of object stores for segments and rules. */
import { readBlockValues } from './block-values.ts';
import { ConfigError } from './config-error.ts';
import type { ConfigNotice } from './config-error.ts';
import { periods } from './schema-config.ts';
import { schemaBlock } from './schema.ts';
import type { S3Config, StorageConfig } from './service-config.ts';
import { Settings } from './settings.ts';

type Backend = 'filesystem' | 's3';

const supported = 'use s3 or filesystem';

/**
 * The store of segments: the object store that the last schema period names, else the one that is configured.
 */
export function readStorage(
  settings: Settings,
  dataDirectory: string,
  notices: ConfigNotice[],
): StorageConfig {
  const named = periods(settings).at(-1)?.object_store ?? '';
  const store = namedStore(settings, named);
  if (store !== undefined) return readNamedStore(store, settings, notices);
  const s3Blocks = [
    'storage_config.object_store.s3',
    'storage_config.aws',
    'common.storage.object_store.s3',
    'common.storage.s3',
  ];
  const isS3Configured = s3Blocks.some((block) => bucketOf(settings, block) !== '');
  const kind = named === '' ? (isS3Configured ? 's3' : 'filesystem') : backendOf(named);
  // Without any S3 block `common.storage.s3` is read, whose error names the missing bucket key.
  const prefix = settings.text('storage_config.object_prefix');
  if (kind === 's3') {
    const block = s3Blocks.find((candidate) => bucketOf(settings, candidate) !== '') ?? 'common.storage.s3';
    return { kind, prefix, ...readS3(settings, block, notices) };
  }
  const directory =
    settings.firstText(
      'storage_config.object_store.filesystem.dir',
      'storage_config.filesystem.directory',
      'common.storage.object_store.filesystem.dir',
      'common.storage.filesystem.chunks_directory',
    ) || `${dataDirectory}/chunks`;
  return { kind, prefix, directory };
}

/**
 * One entry of `storage_config.named_stores`, or of `storage_config.object_store.named_stores`: a named block
 * of one backend.
 */
interface NamedStore {
  readonly name: string;
  /** `aws`, `filesystem`, … and their Thanos names. */
  readonly backend: string;
  readonly isThanos: boolean;
  readonly values: unknown;
}

/**
 * Finds the store `name` of `named_stores`; undefined: there is none. It wins over a backend of that name.
 */
function namedStore(settings: Settings, name: string): NamedStore | undefined {
  if (name === '') return undefined;
  for (const block of ['storage_config.object_store.named_stores', 'storage_config.named_stores']) {
    for (const backend of schemaBlock(block).keys.keys()) {
      const stores = settings.raw(`${block}.${backend}`);
      if (typeof stores !== 'object' || stores === null || !Object.hasOwn(stores, name)) continue;
      const values = (stores as Readonly<Record<string, unknown>>)[name];
      return { name, backend, isThanos: block.includes('object_store'), values };
    }
  }
  return undefined;
}

function readNamedStore(store: NamedStore, settings: Settings, notices: ConfigNotice[]): StorageConfig {
  const prefix = settings.text('storage_config.object_prefix');
  const kind = backendOf(store.backend);
  const block = store.isThanos
    ? `storage_config.object_store.${store.backend}`
    : `storage_config.${store.backend}`;
  const storeSettings = new Settings();
  for (const [path, value] of readBlockValues(block, store.values)) storeSettings.set(path, value, 'file');
  if (kind === 's3') return { kind, prefix, ...readS3(storeSettings, block, notices) };
  const directory = storeSettings.text(`${block}.${store.isThanos ? 'dir' : 'directory'}`);
  if (directory === '') throw new ConfigError(`named store ${store.name}: its directory must be set`);
  return { kind, prefix, directory };
}

/** The store of rules: `ruler_storage`, else `ruler.storage`, else `common.storage`. */
export function readRulerStorage(
  settings: Settings,
  dataDirectory: string,
  notices: ConfigNotice[],
): StorageConfig {
  const backend = settings.text('ruler_storage.backend');
  const directoryText =
    settings.text('ruler_storage.filesystem.dir') || settings.text('ruler_storage.local.directory');
  // `filesystem` is the default: without a directory the backend counts as not set.
  const type =
    backend !== 'filesystem' || directoryText !== '' ? backend : settings.text('ruler.storage.type');
  const blocks = [
    'ruler_storage.s3',
    'ruler.storage.s3',
    'common.storage.object_store.s3',
    'common.storage.s3',
  ];
  const block = blocks.find((candidate) => bucketOf(settings, candidate) !== '');
  const isS3 = type === '' ? block !== undefined : backendOf(type) === 's3';
  const prefix = settings.text('ruler_storage.storage_prefix');
  if (isS3) return { kind: 's3', prefix, ...readS3(settings, block ?? 'ruler.storage.s3', notices) };
  const directory =
    settings.firstText(
      'ruler_storage.filesystem.dir',
      'ruler_storage.local.directory',
      'ruler.storage.local.directory',
      'common.storage.filesystem.rules_directory',
    ) || `${dataDirectory}/rules`;
  return { kind: 'filesystem', prefix, directory };
}

/** `local`: rules come from files, in the same place of the configuration as the other backends. */
export function rulesAreFiles(settings: Settings): boolean {
  const backend = settings.text('ruler_storage.backend');
  const directoryText =
    settings.text('ruler_storage.filesystem.dir') || settings.text('ruler_storage.local.directory');
  return (
    (backend !== 'filesystem' || directoryText !== '' ? backend : settings.text('ruler.storage.type')) ===
    'local'
  );
}

function backendOf(name: string): Backend {
  if (name === 'filesystem' || name === 'local') return 'filesystem';
  if (name === 's3' || name === 'aws') return 's3';
  throw new ConfigError(`object store ${JSON.stringify(name)} is not supported: ${supported}`);
}

/** Thanos-style blocks have `bucket_name`, others `bucketnames` or a URL. */
function bucketOf(settings: Settings, block: string): string {
  if (isThanos(block)) return settings.text(`${block}.bucket_name`);
  return settings.text(`${block}.bucketnames`) || urlOf(settings, block)?.pathname.slice(1) || '';
}

function isThanos(block: string): boolean {
  return block.includes('object_store') || block.startsWith('ruler_storage');
}

function urlOf(settings: Settings, block: string): URL | undefined {
  if (isThanos(block)) return undefined;
  const text = settings.text(`${block}.s3`);
  if (text === '') return undefined;
  try {
    return new URL(text);
  } catch (error) {
    throw new ConfigError(`${block}.s3 is not a URL of the form s3://key:secret@region/bucket`, {
      cause: error,
    });
  }
}

function readS3(settings: Settings, block: string, notices: ConfigNotice[]): S3Config {
  const bucketText = bucketOf(settings, block);
  if (bucketText === '') {
    throw new ConfigError(`${block}.${isThanos(block) ? 'bucket_name' : 'bucketnames'} must be set`);
  }
  const [bucket, ...ignored] = bucketText.split(',').map((name) => name.trim());
  if (ignored.length > 0) {
    notices.push({ level: 'warn', message: `${block}: only the first bucket, ${bucket}, is used` });
  }
  const url = urlOf(settings, block);
  const region =
    settings.text(`${block}.region`) || (url && !url.host.includes('.') && url.port === '' ? url.host : '');
  const endpointText = settings.text(`${block}.endpoint`) || (url && url.host !== region ? url.host : '');
  const endpoint = splitEndpoint(endpointText, region, settings.flag(`${block}.insecure`), block);
  const http = isThanos(block) ? `${block}.http` : `${block}.http_config`;
  return {
    ...endpoint,
    region: region || 'us-east-1',
    bucket,
    accessKeyId: settings.text(`${block}.access_key_id`) || decodeURIComponent(url?.username ?? ''),
    secretAccessKey: settings.text(`${block}.secret_access_key`) || decodeURIComponent(url?.password ?? ''),
    sessionToken: settings.text(`${block}.session_token`),
    forcePathStyle: isThanos(block)
      ? settings.text(`${block}.bucket_lookup_type`) === 'path'
      : settings.flag(`${block}.s3forcepathstyle`),
    insecureSkipVerify: settings.flag(`${http}.insecure_skip_verify`),
    caFile: settings.text(isThanos(block) ? `${http}.tls_ca_path` : `${http}.ca_file`),
    storageClass: settings.text(`${block}.storage_class`),
  };
}

/** `host`, `host:port` or a URL; no endpoint means Amazon's own of that region. */
function splitEndpoint(
  text: string,
  region: string,
  insecure: boolean,
  block: string,
): { endpoint: string; port: number; useTls: boolean } {
  if (text === '') {
    return {
      endpoint: region === '' ? 's3.amazonaws.com' : `s3.${region}.amazonaws.com`,
      port: 443,
      useTls: true,
    };
  }
  const hasScheme = /^https?:\/\//.test(text);
  let url: URL;
  try {
    url = new URL(hasScheme ? text : `${insecure ? 'http' : 'https'}://${text}`);
  } catch (error) {
    throw new ConfigError(
      `${block}.endpoint: ${JSON.stringify(text)} is neither a host, a host:port nor a URL`,
      {
        cause: error,
      },
    );
  }
  const useTls = url.protocol === 'https:' && !insecure;
  return { endpoint: url.hostname, port: url.port === '' ? (useTls ? 443 : 80) : Number(url.port), useTls };
}
