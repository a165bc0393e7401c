/**
 * Protects a process whose bucket takes the keys of a role only: it gets them from the service that its
 * environment names, continues when they end before their time, and outlives a bucket that stops in the
 * middle of a body.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TestBucket } from './test/bucket.ts';
import { TestServer } from './test/server.ts';

let directory: string;
let bucket: TestBucket;
let server: TestServer | undefined;

beforeEach(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-roles-'));
  bucket = await TestBucket.start();
  fs.writeFileSync(path.join(directory, 'token'), 'first');
});

afterEach(async () => {
  await server?.dispose();
  server = undefined;
  await bucket.stop();
  fs.rmSync(directory, { recursive: true });
});

async function start(env: Readonly<Record<string, string>>): Promise<TestServer> {
  const config = path.join(directory, 'loki.yaml');
  const s3 = {
    endpoint: `127.0.0.1:${bucket.port}`,
    bucketnames: 'bucket',
    region: 'us-east-1',
    insecure: true,
    s3forcepathstyle: true,
  };
  fs.writeFileSync(config, JSON.stringify({ auth_enabled: false, common: { storage: { s3 } } }));
  // No keys of this machine.
  const home = { HOME: directory, AWS_EC2_METADATA_DISABLED: 'true' };
  server = await TestServer.start([`-config.file=${config}`], { env: { ...home, ...env } });
  return server;
}

const webIdentity = () => ({
  AWS_WEB_IDENTITY_TOKEN_FILE: path.join(directory, 'token'),
  AWS_ROLE_ARN: 'arn:aws:iam::1:role/loki',
  AWS_ENDPOINT_URL_STS: `${bucket.url}/sts`,
});

async function pushed(running: TestServer, line: string): Promise<void> {
  const streams = [{ stream: { app: 'roles' }, values: [[`${Date.now()}000000`, line]] }];
  expect(await running.push({ streams })).toMatchObject({ status: 204 });
  expect((await fetch(`${running.url}/flush`, { method: 'POST' })).status).toBe(204);
}

const texts = async (running: TestServer) =>
  (await running.lines('{app="roles"}')).map(({ line }) => line).sort();

test('a web identity is changed for keys, and anew when the bucket says that they are over', async () => {
  const running = await start(webIdentity());
  await pushed(running, 'a');
  // Each thread that reads the bucket has a client of its own.
  expect(new Set(bucket.tokens)).toEqual(new Set(['first']));
  expect(bucket.refusals).toBe(0);
  fs.writeFileSync(path.join(directory, 'token'), 'second');
  bucket.endKeys();
  await pushed(running, 'b');
  expect(bucket.refusals).toBeGreaterThan(0);
  expect(bucket.tokens.at(-1)).toBe('second');
  expect(await texts(running)).toEqual(['a', 'b']);
  expect([...bucket.objects.keys()].some((key) => key.startsWith('segments/'))).toBe(true);
});

test('the role of a container is asked for with its token', async () => {
  const running = await start({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${bucket.url}/container`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'of the container',
  });
  await pushed(running, 'a');
  expect(await texts(running)).toEqual(['a']);
  expect(new Set(bucket.tokens)).toEqual(new Set(['of the container']));
  expect(bucket.refusals).toBe(0);
});

test('a body that stops in its middle is read again, and nothing waits for it without end', async () => {
  const running = await start(webIdentity());
  await pushed(running, 'a');
  // A new process has nothing in memory and has to read the bucket.
  await running.stop();
  bucket.stalls = { prefix: 'segments/', count: 1 };
  await running.start();
  expect(await texts(running)).toEqual(['a']);
  expect(bucket.stalls.count).toBe(0);
  await pushed(running, 'b');
  expect(await texts(running)).toEqual(['a', 'b']);
});
