/**
 * Finds the keys of a bucket when the configuration has none: in the environment, a file of profiles, or by a
 * role of the pod, the container or the machine, in the order of S3 clients.
 */
import { isIP } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

export interface BucketKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** '' : permanent keys. */
  readonly sessionToken: string;
}

/** A service that issues temporary keys. */
export type CredentialRole =
  | {
      /** A token in a file, which the security token service changes for keys (pods of EKS and the like). */
      readonly kind: 'web identity';
      readonly service: string;
      readonly tokenFile: string;
      readonly roleArn: string;
      readonly sessionName: string;
    }
  | {
      readonly kind: 'container';
      readonly url: string;
      readonly token: string;
      /** Read for each request, because it changes from time to time. '' : only `token`. */
      readonly tokenFile: string;
    }
  | {
      readonly kind: 'instance';
      readonly service: string;
      /** Whether version 1 of the service, which has no tokens, may be used when version 2 is absent. */
      readonly isFirstVersionAllowed: boolean;
    };

/** Neither keys nor a role: requests are anonymous. */
export interface CredentialSource {
  readonly keys?: BucketKeys;
  readonly role?: CredentialRole;
}

interface SourceOptions {
  /** Keys of the configuration; an empty `accessKeyId` stands for none. */
  readonly configured: BucketKeys;
  readonly env: Environment;
  /** The text of a file; undefined when there is none. */
  readonly readFile: (path: string) => string | undefined;
  /** Whether the server is one of Amazon's, where the machine may have a role. */
  readonly isAmazon: boolean;
}

/**
 * The credentials of a bucket, by the first source that has some: keys of the configuration, keys in
 * variables of the environment, a web identity, the file of profiles, the container's service, and, for
 * servers of Amazon alone, the service of the machine unless the environment disables it. Without a source
 * requests are anonymous.
 *
 * @throws Error that names the variable when the environment is incomplete or wrong
 */
export function credentialSource({ configured, env, readFile, isAmazon }: SourceOptions): CredentialSource {
  const value = (name: string) => env[name] ?? '';
  if (configured.accessKeyId !== '') return { keys: configured };
  if (value('AWS_ACCESS_KEY_ID') !== '' && value('AWS_SECRET_ACCESS_KEY') !== '') {
    return {
      keys: {
        accessKeyId: value('AWS_ACCESS_KEY_ID'),
        secretAccessKey: value('AWS_SECRET_ACCESS_KEY'),
        sessionToken: value('AWS_SESSION_TOKEN'),
      },
    };
  }
  if (value('AWS_WEB_IDENTITY_TOKEN_FILE') !== '') return { role: webIdentity(value) };
  const keys = profileKeys(value, readFile);
  if (keys) return { keys };
  const container = containerRole(value);
  if (container) return { role: container };
  if (!isAmazon || value('AWS_EC2_METADATA_DISABLED').toLowerCase() === 'true') return {};
  return {
    role: {
      kind: 'instance',
      service: value('AWS_EC2_METADATA_SERVICE_ENDPOINT') || 'http://169.254.169.254',
      isFirstVersionAllowed: value('AWS_EC2_METADATA_V1_DISABLED').toLowerCase() !== 'true',
    },
  };
}

function webIdentity(value: (name: string) => string): CredentialRole {
  const roleArn = value('AWS_ROLE_ARN');
  if (roleArn === '') throw new Error('AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not');
  const region = value('AWS_REGION') || value('AWS_DEFAULT_REGION');
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const service = region === '' ? 'https://sts.amazonaws.com' : `https://sts.${region}.${domain}`;
  return {
    kind: 'web identity',
    service: checkedUrl('AWS_ENDPOINT_URL_STS', value('AWS_ENDPOINT_URL_STS') || service).href,
    tokenFile: value('AWS_WEB_IDENTITY_TOKEN_FILE'),
    roleArn,
    sessionName: value('AWS_ROLE_SESSION_NAME') || 'loki',
  };
}

function containerRole(value: (name: string) => string): CredentialRole | undefined {
  const relative = value('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI');
  const full = value('AWS_CONTAINER_CREDENTIALS_FULL_URI');
  if (relative === '' && full === '') return undefined;
  const url =
    relative === ''
      ? checkedUrl('AWS_CONTAINER_CREDENTIALS_FULL_URI', full)
      : checkedUrl('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', `http://169.254.170.2${relative}`);
  if (url.protocol === 'http:' && !isNear(url.hostname)) {
    throw new Error(
      `AWS_CONTAINER_CREDENTIALS_FULL_URI: ${url.hostname} is neither this machine nor the container service: keys come from elsewhere by https alone`,
    );
  }
  return {
    kind: 'container',
    url: url.href,
    token: value('AWS_CONTAINER_AUTHORIZATION_TOKEN'),
    tokenFile: value('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'),
  };
}

/** Whether the host is this machine or a service of ECS or EKS, where keys may travel in plain text. */
function isNear(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (['localhost', '::1', '169.254.170.2', '169.254.170.23', 'fd00:ec2::23'].includes(host)) return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function checkedUrl(name: string, text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw new Error(`${name} makes no URL: ${JSON.stringify(text.slice(0, 200))}`, { cause });
  }
}

/**
 * Keys of the profile in the shared file. A profile that is named has to be there; the default one may be
 * absent.
 */
function profileKeys(
  value: (name: string) => string,
  readFile: (path: string) => string | undefined,
): BucketKeys | undefined {
  const named = value('AWS_PROFILE');
  const home = value('HOME') || value('USERPROFILE');
  const path = value('AWS_SHARED_CREDENTIALS_FILE') || (home === '' ? '' : `${home}/.aws/credentials`);
  const text = path === '' ? undefined : readFile(path);
  const profile = text === undefined ? undefined : profileOf(text, named || 'default');
  const accessKeyId = profile?.get('aws_access_key_id') ?? '';
  const secretAccessKey = profile?.get('aws_secret_access_key') ?? '';
  if (accessKeyId !== '' && secretAccessKey !== '') {
    return { accessKeyId, secretAccessKey, sessionToken: profile?.get('aws_session_token') ?? '' };
  }
  if (named === '') return undefined;
  throw new Error(`AWS_PROFILE: ${path || 'no file of profiles'} has no keys of profile ${named}`);
}

function profileOf(text: string, name: string): ReadonlyMap<string, string> | undefined {
  let profile: Map<string, string> | undefined;
  let isWanted = false;
  for (const line of text.split('\n')) {
    const section = /^\s*\[\s*(.*?)\s*\]\s*$/.exec(line);
    if (section) {
      isWanted = section[1] === name;
      if (isWanted) profile ??= new Map<string, string>();
      continue;
    }
    const equals = line.indexOf('=');
    if (!isWanted || equals < 0 || /^\s*[#;]/.test(line)) continue;
    profile?.set(line.slice(0, equals).trim().toLowerCase(), line.slice(equals + 1).trim());
  }
  return profile;
}
