/** Requests keys from the service of a role: one call, with a deadline and a bound on each answer. */
import fs from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { http, https } from './bucket-transport.ts';
import type { BucketKeys, CredentialRole } from './credential-sources.ts';
import { elementOf, readBody } from './s3-answers.ts';

/** Keys with their expiry; absent: the service gave none. */
export interface RoleKeys extends BucketKeys {
  readonly expiresAtMs?: number;
}

/** Tokens of web identities have some kilobytes, and answers too. */
const answerBytesMax = 64 * 1024;
const reasonCharsMax = 300;

/** @throws Error with the service and its reason; the signal's reason when it aborts */
export async function fetchRoleKeys(role: CredentialRole, signal: AbortSignal): Promise<RoleKeys> {
  switch (role.kind) {
    case 'web identity':
      return byWebIdentity(role, signal);
    case 'container': {
      const token = role.tokenFile === '' ? role.token : (await fs.readFile(role.tokenFile, 'utf8')).trim();
      return keysOf(await ask(role.url, { headers: token === '' ? {} : { authorization: token } }, signal));
    }
    case 'instance':
      return byInstance(role, signal);
  }
}

async function byWebIdentity(
  role: Extract<CredentialRole, { kind: 'web identity' }>,
  signal: AbortSignal,
): Promise<RoleKeys> {
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName,
    // Kubernetes writes a new one before the last is over.
    WebIdentityToken: (await fs.readFile(role.tokenFile, 'utf8')).trim(),
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const text = await ask(role.service, { method: 'POST', headers, body: form.toString() }, signal);
  const of = (name: string): string => elementOf(text, name, 0)?.text ?? '';
  return checkedKeys({
    accessKeyId: of('AccessKeyId'),
    secretAccessKey: of('SecretAccessKey'),
    sessionToken: of('SessionToken'),
    expiration: of('Expiration'),
  });
}

/** The status with which the first version of the service answers the request for a token. */
const noTokenStatuses = new Set([403, 404, 405]);

async function byInstance(
  role: Extract<CredentialRole, { kind: 'instance' }>,
  signal: AbortSignal,
): Promise<RoleKeys> {
  const headers: Record<string, string> = {};
  try {
    const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' };
    const url = new URL('/latest/api/token', role.service);
    headers['x-aws-ec2-metadata-token'] = await ask(url.href, { method: 'PUT', headers: ttl }, signal);
  } catch (error) {
    const isOld = error instanceof RoleError && noTokenStatuses.has(error.status);
    if (!role.isFirstVersionAllowed || !isOld) throw error;
  }
  const roles = new URL('/latest/meta-data/iam/security-credentials/', role.service);
  const name = (await ask(roles.href, { headers }, signal)).split('\n')[0].trim();
  if (name === '') throw new Error(`${roles.host}: this machine has no role`);
  return keysOf(await ask(new URL(encodeURIComponent(name), roles).href, { headers }, signal));
}

/** Keys as the services of containers and machines write them. */
function keysOf(text: string): RoleKeys {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new Error('the service of the role answered with a text that is not JSON', { cause });
  }
  const of = (name: string): string => {
    const value = (answer as Readonly<Record<string, unknown>> | null)?.[name];
    return typeof value === 'string' ? value : '';
  };
  // Containers' services have no `Code`.
  if (of('Code') !== '' && of('Code') !== 'Success') {
    throw new Error(
      `the service of the role refuses (${of('Code')}): ${of('Message')}`.slice(0, reasonCharsMax),
    );
  }
  return checkedKeys({
    accessKeyId: of('AccessKeyId'),
    secretAccessKey: of('SecretAccessKey'),
    sessionToken: of('Token'),
    expiration: of('Expiration'),
  });
}

function checkedKeys({ expiration, ...keys }: BucketKeys & { expiration: string }): RoleKeys {
  if (keys.accessKeyId === '' || keys.secretAccessKey === '') {
    throw new Error('the service of the role answered without keys');
  }
  if (expiration === '') return keys;
  const expiresAtMs = Date.parse(expiration);
  if (Number.isNaN(expiresAtMs)) {
    throw new Error(`keys of a role that expire at no time: ${expiration.slice(0, 100)}`);
  }
  return { ...keys, expiresAtMs };
}

class RoleError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface Question {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The body of an answer with status 200. Redirections are not followed. */
async function ask(
  url: string,
  { method = 'GET', headers, body = '' }: Question,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const length = body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const request = (url.startsWith('https:') ? https() : http()).request(url, {
    method,
    headers: { ...headers, ...length },
    signal,
    // A connection of its own: the service is asked a few times an hour.
    agent: false,
  });
  request.once('response', resolve);
  request.once('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error));
  request.end(body);
  const response = await promise;
  const text = (await readBody(response, answerBytesMax, signal)).toString();
  const status = response.statusCode ?? 0;
  if (status === 200) return text;
  const reason = elementOf(text, 'Message', 0)?.text ?? text.trim();
  const code = elementOf(text, 'Code', 0)?.text ?? String(status);
  throw new RoleError(status, `${new URL(url).host} refuses (${code}): ${reason.slice(0, reasonCharsMax)}`);
}
