/**
 * Protects the promise on real services: what one process acknowledged through Kafka, into a bucket, is there
 * exactly once after kill -9, before and after its flush. `LOKI_TEST_KAFKA_BROKERS` and
 * `LOKI_TEST_S3_ENDPOINT`, with keys in the usual AWS variables; `npm run test:services` sets them.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client } from 'minio';
import { TestServer } from './test/server.ts';

const brokers = process.env['LOKI_TEST_KAFKA_BROKERS'];
const endpoint = process.env['LOKI_TEST_S3_ENDPOINT'];

if (!brokers || !endpoint) {
  test.skip('Kafka and S3: skipped, LOKI_TEST_KAFKA_BROKERS or LOKI_TEST_S3_ENDPOINT is not set', () =>
    undefined);
} else {
  const name = `loki-test-${randomBytes(6).toString('hex')}`;
  const url = new URL(endpoint);
  const accessKey = process.env['AWS_ACCESS_KEY_ID'] ?? 'test';
  const secretKey = process.env['AWS_SECRET_ACCESS_KEY'] ?? 'test';
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-services-test-'));
  const file = path.join(directory, 'loki.yaml');

  beforeAll(async () => {
    const useSSL = url.protocol === 'https:';
    const client = new Client({
      endPoint: url.hostname,
      port: Number(url.port || (useSSL ? 443 : 80)),
      useSSL,
      accessKey,
      secretKey,
      region: 'us-east-1',
    });
    await client.makeBucket(name);
    fs.writeFileSync(
      file,
      JSON.stringify({
        auth_enabled: false,
        schema_config: {
          configs: [{ from: '2024-01-01', store: 'tsdb', object_store: 's3', schema: 'v13' }],
        },
        storage_config: {
          object_prefix: 'installation-1',
          aws: { endpoint, bucketnames: name, access_key_id: accessKey, secret_access_key: secretKey },
        },
        kafka_config: { topic: name, writer_config: { address: brokers } },
        write_log: { kind: 'kafka', partitions: 4 },
      }),
    );
  });
  afterAll(() => fs.rmSync(directory, { recursive: true }));

  test('lines pushed through Kafka outlive kill -9 and the flush into the bucket, each once', async () => {
    const server = await TestServer.start([`-config.file=${file}`]);
    const expected: string[] = [];
    const push = async (from: number, count: number): Promise<void> => {
      const values = Array.from({ length: count }, (_, i) => {
        expected.push(`line ${from + i}`);
        return [`${BigInt(Date.now()) * 1_000_000n + BigInt(from + i)}`, `line ${from + i}`];
      });
      const streams = [0, 1, 2, 3, 4].map((s) => ({
        stream: { app: 'services', stream: String(s) },
        values: values.filter((_, i) => i % 5 === s),
      }));
      expect(await server.push({ streams })).toMatchObject({ status: 204 });
    };
    const found = async (): Promise<string[]> =>
      (await server.lines('{app="services"}')).map(({ line }) => line).sort();

    try {
      await push(0, 500);
      await server.stop('SIGKILL');
      await server.start();
      expect(await found()).toEqual([...expected].sort());
      await push(1_000, 500);
      expect((await fetch(`${server.url}/flush`, { method: 'POST' })).status).toBe(204);
      await push(2_000, 500);
      await server.stop('SIGKILL');
      await server.start();
      expect(await found()).toEqual([...expected].sort());
      expect(server.log()).not.toMatch(/level=error/);
    } finally {
      await server.dispose();
    }
  });
}
