/**
 * Protects keys that end: they are renewed before they do, by one call, each with a deadline; keys that the
 * server refuses are replaced; and an operator reads which service gives none.
 */
import fs from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { NodeClock, NodeRandom, NodeTimers } from '@loki/runtime';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import type { CredentialRole } from './credential-sources.ts';
import { MemoryObjectStore } from './memory-object-store.ts';
import { openBucket, proveBucket } from './open-bucket.ts';
import { RoleCredentials } from './role-credentials.ts';
import { fetchRoleKeys } from './role-keys.ts';
import type { RoleKeys } from './role-keys.ts';

const role: CredentialRole = { kind: 'container', url: 'http://127.0.0.1/x', token: '', tokenFile: '' };

function virtualRole(fetchKeys: (call: number, nowMs: number) => Promise<RoleKeys>) {
  const scheduler = new VirtualScheduler(1);
  const { clock, timers } = new VirtualProcess(scheduler, 'process');
  let calls = 0;
  const credentials = new RoleCredentials(role, {
    clock,
    timers,
    fetchKeys: () => fetchKeys(++calls, clock.nowMs()),
  });
  return {
    credentials,
    calls: () => calls,
    keys: () => scheduler.settle(credentials.keys()),
    sleep: (ms: number) => scheduler.settle(timers.sleep(ms)),
  };
}

const keysOf = (call: number, expiresAtMs?: number): RoleKeys => ({
  accessKeyId: `id${call}`,
  secretAccessKey: 's',
  sessionToken: 't',
  expiresAtMs,
});
const hourMs = 3_600_000;

describe('keys of a role', () => {
  test('are asked for once, by however many requests, and again before they end', async () => {
    const world = virtualRole(async (call, nowMs) => keysOf(call, nowMs + hourMs));
    await Promise.all([world.keys(), world.keys(), world.keys()]);
    expect(world.calls()).toBe(1);
    await world.sleep(54 * 60_000);
    expect((await world.keys()).accessKeyId).toBe('id1');
    expect(world.calls()).toBe(1);
    await world.sleep(2 * 60_000);
    // Less than five minutes remain: this request continues with the old ones.
    expect((await world.keys()).accessKeyId).toBe('id1');
    expect((await world.keys()).accessKeyId).toBe('id2');
    expect(world.calls()).toBe(2);
  });

  test('hold while the service is away, to their end; then the error tells both', async () => {
    const world = virtualRole(async (call, nowMs) => {
      if (call > 1) throw new Error('connect ECONNREFUSED');
      return keysOf(call, nowMs + hourMs);
    });
    await world.keys();
    await world.sleep(58 * 60_000);
    for (let i = 0; i < 5; i++) expect((await world.keys()).accessKeyId).toBe('id1');
    expect(world.calls()).toBe(2); // not for each request
    await world.sleep(2 * 60_000);
    await expect(world.keys()).rejects.toThrow(
      /no keys by the role \(container\): connect ECONNREFUSED; the last keys expire at \d{4}-/,
    );
  });

  test('are not waited for without end', async () => {
    const world = virtualRole(() => new Promise(() => undefined));
    await expect(world.keys()).rejects.toThrow('no answer in 8000 ms');
  });

  test('that are over when they come are told', async () => {
    const world = virtualRole(async (call, nowMs) => keysOf(call, nowMs - 1));
    await expect(world.keys()).rejects.toThrow('the keys expired at');
  });

  test('that the server refuses are replaced, newer ones are not', async () => {
    const world = virtualRole(async (call) => keysOf(call));
    const first = await world.keys();
    world.credentials.refuse(first);
    expect((await world.keys()).accessKeyId).toBe('id2');
    world.credentials.refuse(first);
    expect((await world.keys()).accessKeyId).toBe('id2');
  });
});

interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function withService<T>(
  answer: (request: Request) => [status: number, body: string] | undefined,
  action: (url: string, requests: readonly Request[]) => Promise<T>,
): Promise<T> {
  const requests: Request[] = [];
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      requests.push({ method, url, headers, body });
      const told = answer(requests.at(-1)!);
      if (told) response.writeHead(told[0]).end(told[1]);
    });
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await action(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const live = () => AbortSignal.timeout(60_000);
const expiration = '2030-01-02T03:04:05Z';
const expected = {
  accessKeyId: 'AK',
  secretAccessKey: 'SK',
  sessionToken: 'ST',
  expiresAtMs: Date.parse(expiration),
};
const answerOfRole = { AccessKeyId: 'AK', SecretAccessKey: 'SK', Token: 'ST', Expiration: expiration };
const answerOfService = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><SessionToken>ST</SessionToken><SecretAccessKey>SK</SecretAccessKey><Expiration>${expiration}</Expiration><AccessKeyId>AK</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;

describe('the service of a role', () => {
  let directory: string;
  let tokenFile: string;
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'role-'));
    tokenFile = path.join(directory, 'token');
    fs.writeFileSync(tokenFile, 'first\n');
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  const webIdentity = (service: string): CredentialRole => ({
    kind: 'web identity',
    service,
    tokenFile,
    roleArn: 'arn:aws:iam::1:role/loki',
    sessionName: 'pod',
  });

  test('changes the token of a web identity, as it stands in the file now, for keys', async () => {
    await withService(
      () => [200, answerOfService],
      async (url, requests) => {
        expect(await fetchRoleKeys(webIdentity(url), live())).toEqual(expected);
        fs.writeFileSync(tokenFile, 'second');
        await fetchRoleKeys(webIdentity(url), live());
        expect(requests.map(({ body }) => new URLSearchParams(body).get('WebIdentityToken'))).toEqual([
          'first',
          'second',
        ]);
        expect(requests[0].method).toBe('POST');
        expect(requests[0].url).toBe('/'); // no token in a URL, which proxies write down
        expect(Object.fromEntries(new URLSearchParams(requests[0].body))).toMatchObject({
          Action: 'AssumeRoleWithWebIdentity',
          RoleArn: 'arn:aws:iam::1:role/loki',
          RoleSessionName: 'pod',
        });
      },
    );
  });

  test('that refuses is told in its own words', async () => {
    await withService(
      () => [
        403,
        '<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>',
      ],
      (url) =>
        expect(fetchRoleKeys(webIdentity(url), live())).rejects.toThrow(
          /127\.0\.0\.1:\d+ refuses \(AccessDenied\): Not authorized to perform/,
        ),
    );
  });

  test('of a container is asked with the token, which a file may hold', async () => {
    await withService(
      () => [200, JSON.stringify(answerOfRole)],
      async (url, requests) => {
        const container = {
          kind: 'container',
          url: `${url}/v2/x?y=1`,
          token: 'given',
          tokenFile: '',
        } as const;
        expect(await fetchRoleKeys(container, live())).toEqual(expected);
        await fetchRoleKeys({ ...container, tokenFile }, live());
        expect(requests.map(({ url: asked, headers }) => [asked, headers.authorization])).toEqual([
          ['/v2/x?y=1', 'given'],
          ['/v2/x?y=1', 'first'],
        ]);
      },
    );
  });

  const instance = (service: string, isFirstVersionAllowed = true): CredentialRole => ({
    kind: 'instance',
    service,
    isFirstVersionAllowed,
  });
  const machine =
    (tokenStatus: number) =>
    ({ url, method }: Request): [number, string] => {
      if (method === 'PUT') return [tokenStatus, tokenStatus === 200 ? 'session' : ''];
      if (url.endsWith('/security-credentials/')) return [200, 'my role\n'];
      return [200, JSON.stringify({ Code: 'Success', ...answerOfRole })];
    };

  test('of a machine is asked for a token, for the name of the role, and for keys', async () => {
    await withService(machine(200), async (url, requests) => {
      expect(await fetchRoleKeys(instance(url), live())).toEqual(expected);
      expect(requests.map(({ method, url: asked }) => `${method} ${asked}`)).toEqual([
        'PUT /latest/api/token',
        'GET /latest/meta-data/iam/security-credentials/',
        'GET /latest/meta-data/iam/security-credentials/my%20role',
      ]);
      expect(requests[0].headers['x-aws-ec2-metadata-token-ttl-seconds']).toBe('21600');
      expect(requests.slice(1).map(({ headers }) => headers['x-aws-ec2-metadata-token'])).toEqual([
        'session',
        'session',
      ]);
    });
  });

  test('of a machine without tokens is asked as in its first version, where that is allowed', async () => {
    await withService(machine(404), async (url, requests) => {
      expect(await fetchRoleKeys(instance(url), live())).toEqual(expected);
      expect(requests[2].headers['x-aws-ec2-metadata-token']).toBeUndefined();
      await expect(fetchRoleKeys(instance(url, false), live())).rejects.toThrow('refuses (404)');
    });
  });

  test.each([
    ['is not JSON', '<html>', 'not JSON'],
    ['has no keys', '{}', 'without keys'],
    ['is null', 'null', 'without keys'],
    [
      'says why not',
      '{"Code":"AssumeRoleUnauthorizedAccess","Message":"trust"}',
      'UnauthorizedAccess): trust',
    ],
    ['has keys of no time', JSON.stringify({ ...answerOfRole, Expiration: 'soon' }), 'at no time'],
    ['is endless', 'x'.repeat(100_000), 'more than the 65536 bytes'],
  ])('whose answer %s gives no keys', async (_, body, reason) => {
    await withService(
      () => [200, body],
      (url) =>
        expect(fetchRoleKeys({ kind: 'container', url, token: '', tokenFile: '' }, live())).rejects.toThrow(
          reason,
        ),
    );
  });

  test('that does not answer is given up with the signal', async () => {
    await withService(
      () => undefined,
      (url) => expect(fetchRoleKeys(webIdentity(url), AbortSignal.timeout(200))).rejects.toThrow('timeout'),
    );
  });
});

describe('a bucket with a role', () => {
  const world = { clock: new NodeClock(), timers: new NodeTimers(), random: new NodeRandom() };
  const bucketOf = (url: string, credentialRole: CredentialRole) => ({
    endpoint: '127.0.0.1',
    port: Number(new URL(url).port),
    useTls: false,
    region: 'us-east-1',
    bucket: 'bucket',
    credentials: { role: credentialRole },
    forcePathStyle: true,
    insecureSkipVerify: false,
    storageClass: '',
  });

  test('signs with the keys of the role, and with newer ones when the server says that they are over', async () => {
    let given = 0;
    await withService(
      ({ url, headers }) => {
        if (url === '/role') return [200, JSON.stringify({ ...answerOfRole, AccessKeyId: `AK${++given}` })];
        if (headers.authorization?.includes('Credential=AK2/') && headers['x-amz-security-token'] === 'ST') {
          return [200, 'the object'];
        }
        return [
          400,
          '<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>',
        ];
      },
      async (url, requests) => {
        const container: CredentialRole = { kind: 'container', url: `${url}/role`, token: '', tokenFile: '' };
        const store = openBucket(bucketOf(url, container), world);
        expect((await store.get('a')).toString()).toBe('the object');
        expect((await store.get('b')).toString()).toBe('the object');
        expect(requests.map(({ url: asked }) => asked)).toEqual([
          '/role',
          '/bucket/a',
          '/role',
          '/bucket/a',
          '/bucket/b',
        ]);
      },
    );
  });

  test('without keys says at the start which service refuses them', async () => {
    await withService(
      () => [500, 'down'],
      async (url) => {
        const container: CredentialRole = { kind: 'container', url, token: '', tokenFile: '' };
        await expect(
          proveBucket(bucketOf(url, container), { ...world, store: new MemoryObjectStore() }),
        ).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringMatching(
            /: no keys by the role \(container\): 127.*refuses \(500\): down/,
          ) as string,
        });
      },
    );
  });

  test('without keys and without a role says where keys may come from', async () => {
    await withService(
      () => [403, '<Error><Code>AccessDenied</Code><Message>m</Message></Error>'],
      async (url) => {
        const bucket = { ...bucketOf(url, role), credentials: {} };
        await expect(proveBucket(bucket, { ...world, store: new MemoryObjectStore() })).rejects.toMatchObject(
          {
            code: 'unavailable',
            message: expect.stringMatching(
              /without keys \(AccessDenied\): set access_key_id .* a role$/,
            ) as string,
          },
        );
      },
    );
  });

  test('or with keys for a session says when the session is over', async () => {
    await withService(
      () => [400, '<Error><Code>ExpiredToken</Code><Message>m</Message></Error>'],
      async (url) => {
        const keys = { accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c' };
        const store = openBucket({ ...bucketOf(url, role), credentials: { keys } }, world);
        await expect(store.get('a')).rejects.toMatchObject({
          code: 'unavailable',
          message: expect.stringContaining('the session token is no longer valid') as string,
        });
      },
    );
  });
});
