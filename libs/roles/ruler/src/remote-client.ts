/** Settings of the servers that get alerts or samples: URL, credentials, relabelling. */
import { parseDuration } from '@loki/go';
import { nsPerMs } from '@loki/model';
import type { HttpClientTls } from '@loki/ports';
import { readRelabelSteps } from './relabel.ts';
import type { RelabelStep } from './relabel.ts';
import { asFlag, asNumber, asRecord, asText, SettingError } from './settings.ts';

/** A server that gets alerts or samples. */
export interface RemoteServer {
  /** Without user name and password. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly credentials: Credentials;
  readonly tls: HttpClientTls;
}

/** Credentials for a server; secrets in files are read for each request, because they change. */
type Credentials =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'basic';
      readonly username: string;
      readonly password: string;
      readonly passwordFile: string;
    }
  | { readonly kind: 'token'; readonly type: string; readonly token: string; readonly tokenFile: string };

/** One of `ruler.remote_write.clients`. */
export interface RemoteClient extends RemoteServer {
  readonly name: string;
  readonly relabel: readonly RelabelStep[];
  readonly samplesPerSendMax: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

/** Upper bound on the samples of one request. */
const samplesPerSendLimit = 50_000;

/**
 * Clients by their names in the configuration.
 *
 * @param value a mapping of name to client, unchecked
 * @throws SettingError
 */
export function readRemoteClients(value: unknown, where: string): RemoteClient[] {
  return [...asRecord(value, where)].map(([name, client]) =>
    readClient(name, asRecord(client, `${where}.${name}`), `${where}.${name}`),
  );
}

function readClient(key: string, fields: ReadonlyMap<string, unknown>, where: string): RemoteClient {
  const queue = asRecord(fields.get('queue_config'), `${where}.queue_config`);
  const samples = asNumber(
    queue.get('max_samples_per_send') ?? 2000,
    `${where}.queue_config.max_samples_per_send`,
  );
  const { url, username, password } = splitUrl(asText(fields.get('url'), `${where}.url`), `${where}.url`);
  const headers = [...asRecord(fields.get('headers'), `${where}.headers`)].map(
    ([name, value]): [string, string] => [name.toLowerCase(), asText(value, `${where}.headers.${name}`)],
  );
  return {
    name: asText(fields.get('name'), `${where}.name`) || key,
    url,
    timeoutMs: asDurationMs(fields.get('remote_timeout'), 30_000, `${where}.remote_timeout`),
    headers: new Map(headers),
    credentials: readCredentials(fields, { username, password }, where),
    tls: readTls(asRecord(fields.get('tls_config'), `${where}.tls_config`), `${where}.tls_config`),
    relabel: readRelabelSteps(fields.get('write_relabel_configs'), `${where}.write_relabel_configs`),
    samplesPerSendMax: Math.min(samplesPerSendLimit, Math.max(1, Math.floor(samples))),
    backoffMinMs: asDurationMs(queue.get('min_backoff'), 30, `${where}.queue_config.min_backoff`),
    backoffMaxMs: asDurationMs(queue.get('max_backoff'), 5000, `${where}.queue_config.max_backoff`),
  };
}

function readCredentials(
  fields: ReadonlyMap<string, unknown>,
  ofUrl: { readonly username: string; readonly password: string },
  where: string,
): Credentials {
  const basic = asRecord(fields.get('basic_auth'), `${where}.basic_auth`);
  const authorization = asRecord(fields.get('authorization'), `${where}.authorization`);
  const text = (map: ReadonlyMap<string, unknown>, name: string) => asText(map.get(name), `${where}.${name}`);
  if (basic.size > 0) {
    return basicCredentials(text(basic, 'username'), text(basic, 'password'), text(basic, 'password_file'));
  }
  if (authorization.size > 0) {
    return {
      kind: 'token',
      type: text(authorization, 'type') || 'Bearer',
      token: text(authorization, 'credentials'),
      tokenFile: text(authorization, 'credentials_file'),
    };
  }
  const token = text(fields, 'bearer_token');
  const tokenFile = text(fields, 'bearer_token_file');
  if (token !== '' || tokenFile !== '') return { kind: 'token', type: 'Bearer', token, tokenFile };
  return basicCredentials(ofUrl.username, ofUrl.password, '');
}

/**
 * Credentials for HTTP basic authentication; `none` if all three texts are empty.
 *
 * @param passwordFile path of a file that is read for each request and wins over `password`
 */
export function basicCredentials(username: string, password: string, passwordFile: string): Credentials {
  return username === '' && password === '' && passwordFile === ''
    ? { kind: 'none' }
    : { kind: 'basic', username, password, passwordFile };
}

function readTls(fields: ReadonlyMap<string, unknown>, where: string): HttpClientTls {
  return {
    caFile: asText(fields.get('ca_file'), `${where}.ca_file`),
    certFile: asText(fields.get('cert_file'), `${where}.cert_file`),
    keyFile: asText(fields.get('key_file'), `${where}.key_file`),
    serverName: asText(fields.get('server_name'), `${where}.server_name`),
    insecureSkipVerify: asFlag(fields.get('insecure_skip_verify'), `${where}.insecure_skip_verify`),
  };
}

/**
 * Splits user name and password off a URL.
 *
 * @throws SettingError for schemes other than http and https
 */
export function splitUrl(
  text: string,
  where: string,
): { readonly url: string; readonly username: string; readonly password: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw new SettingError(`${where} is not a URL`, { cause: error });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new SettingError(`${where}: only http and https are supported`);
  }
  const { username, password } = url;
  url.username = '';
  url.password = '';
  return { url: url.href, username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

function asDurationMs(value: unknown, fallbackMs: number, where: string): number {
  if (value === undefined || value === null) return fallbackMs;
  const ns = parseDuration(asText(value, where));
  if (ns === undefined || ns < 0n) throw new SettingError(`${where}: not a valid duration`);
  return Number(ns / nsPerMs);
}

/** Reads a file with a secret. */
export type ReadSecret = (path: string) => Promise<string>;

/** Authorization headers for the credentials. */
export async function authorizationHeaders(
  credentials: Credentials,
  readSecret: ReadSecret,
): Promise<Record<string, string>> {
  switch (credentials.kind) {
    case 'none':
      return {};
    case 'basic': {
      const { username, passwordFile } = credentials;
      const password = passwordFile === '' ? credentials.password : (await readSecret(passwordFile)).trim();
      return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
    }
    case 'token': {
      const { type, tokenFile } = credentials;
      const token = tokenFile === '' ? credentials.token : (await readSecret(tokenFile)).trim();
      return { authorization: `${type} ${token}` };
    }
  }
}
