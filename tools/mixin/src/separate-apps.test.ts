/**
 * Protects the dashboards and alerts of deploy/mixin where they are used: each metric, with each value of a
 * label that they name, has a sample in the app that the panel selects, when the apps are processes of their
 * own over Kafka, Redis and a bucket, under pushes, queries, rules, deletes and compaction.
 * `LOKI_TEST_KAFKA_BROKERS` and `LOKI_TEST_REDIS_URL`; without `LOKI_TEST_S3_ENDPOINT` the apps share a
 * directory, and what is measured of a bucket is left out. `npm run test:services` sets them.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  claimText,
  eventually,
  hasSample,
  mixinExpressions,
  PanelLoad,
  sampleClaims,
} from '@loki/test-tools';
import { inTree } from './files.ts';
import { SeparateApps } from './test/separate-apps.ts';

const kafka = process.env['LOKI_TEST_KAFKA_BROKERS'];
const redis = process.env['LOKI_TEST_REDIS_URL'];
const endpoint = process.env['LOKI_TEST_S3_ENDPOINT'];

/** Metrics that no process of ours has. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ['kube_horizontalpodautoscaler_status_current_replicas', 'kube-state-metrics'],
  ['kube_horizontalpodautoscaler_spec_max_replicas', 'kube-state-metrics'],
]);
/** Metrics of the bucket alone. */
const ofBucket = /^loki_(?:objstore_bucket_transport_requests_total|s3_request_duration_seconds.*)$/;

/** Routes between roles that dashboards made for Loki name. */
const callsBetweenRoles = [
  'loki_request_duration_seconds_count{job="loki/distributor", route="/logproto.Pusher/Push"}',
  ...['Query', 'QuerySample', 'Series', 'Label', 'GetStats', 'GetVolume'].map(
    (call) => `loki_request_duration_seconds_count{job="loki/ingester", route="/logproto.Querier/${call}"}`,
  ),
];

if (!kafka || !redis) {
  test.skip('skipped: LOKI_TEST_KAFKA_BROKERS or LOKI_TEST_REDIS_URL is not set', () => undefined);
} else {
  jest.setTimeout(600_000);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-mixin-'));
  let apps: SeparateApps;

  beforeAll(async () => {
    const name = `mixin-${randomBytes(6).toString('hex')}`;
    apps = await SeparateApps.start({ directory, name, kafka, redis, endpoint });
  });
  afterAll(async () => {
    await apps?.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  test('each metric that a panel or an alert names has a sample in the app that it selects', async () => {
    const claims = [...mixinExpressions(inTree('deploy/mixin')), ...callsBetweenRoles]
      .flatMap(sampleClaims)
      .filter(({ name }) => !elsewhere.has(name) && (endpoint !== undefined || !ofBucket.test(name)));
    expect(claims.length).toBeGreaterThan(200);
    const load = new PanelLoad(apps.gateways.map(({ url }) => url));
    await load.prepare();
    let missing: string[] = [];
    const isComplete = async (): Promise<boolean> => {
      await load.round();
      const series = await apps.scrape();
      missing = [...new Set(claims.filter((claim) => !hasSample(series, claim)).map(claimText))].sort();
      return missing.length === 0;
    };
    await eventually(isComplete, { withinMs: 180_000, everyMs: 1_000 }).catch((error: unknown) => {
      if (missing.length === 0) throw error;
    });
    expect(missing).toEqual([]);
  });
}
