/**
 * Protects the dashboards and alerts of deploy/mixin: each metric, with each value of a label that they name,
 * has a sample on a scrape of the single process under pushes, queries, rules, deletes and compaction. The
 * separate apps have a test of their own: tools/mixin/src/separate-apps.test.ts.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  addSeries,
  claimText,
  eventually,
  hasSample,
  mixinExpressions,
  PanelLoad,
  sampleClaims,
  slowTenant,
} from '@loki/test-tools';
import { TestServer } from './test/server.ts';

const mixin = path.resolve(import.meta.dirname, '../../../deploy/mixin');
/** Metrics that this process cannot have, each with the place that has it. */
const elsewhere: ReadonlyMap<string, string> = new Map([
  ['kube_horizontalpodautoscaler_status_current_replicas', 'kube-state-metrics'],
  ['kube_horizontalpodautoscaler_spec_max_replicas', 'kube-state-metrics'],
  ['loki_tls_certificate_expiry_timestamp_seconds', 'a process with a certificate'],
  ['loki_objstore_bucket_transport_requests_total', 'a process with a bucket'],
  ['loki_s3_request_duration_seconds', 'a process with a bucket'],
  ['loki_kv_request_duration_seconds', 'a process of several, with Redis'],
]);

const target = { cluster: 'test', namespace: 'loki', job: 'loki/loki', container: 'loki', pod: 'loki-0' };
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-dashboards-'));
let server: TestServer;

beforeAll(async () => {
  const overrides = path.join(directory, 'overrides.yaml');
  // Its queries end with 504: the answers of 5xx that panels and alerts count.
  fs.writeFileSync(overrides, JSON.stringify({ overrides: { [slowTenant]: { query_timeout: '1ns' } } }));
  const file = path.join(directory, 'loki.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: true
runtime_config: {file: ${overrides}}
ruler: {enable_api: true, poll_interval: 1s}
compactor:
  retention_enabled: true
  delete_request_store: filesystem
  delete_request_cancel_period: 1s
  compaction_interval: 1s
limits_config: {volume_enabled: true, retention_period: 744h}
pattern_ingester: {enabled: true}
query_range:
  cache_results: true
  results_cache: {cache: {embedded_cache: {enabled: true}}}
`,
  );
  server = await TestServer.start([`-config.file=${file}`]);
});
afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

test('each metric that a panel or an alert names has a sample', async () => {
  const claims = mixinExpressions(mixin)
    .flatMap(sampleClaims)
    .filter(({ name }) => !elsewhere.has(name) && !elsewhere.has(name.replace(/_(bucket|sum|count)$/, '')));
  expect(claims.length).toBeGreaterThan(200);
  const load = new PanelLoad([server.url]);
  await load.prepare();
  let missing: string[] = [];
  // A panel shows a range of time: series of tenants that are idle by now count as well.
  const series = new Map();
  const isComplete = async (): Promise<boolean> => {
    await load.round();
    addSeries(series, (await server.get('/metrics')).text, target);
    missing = [...new Set(claims.filter((claim) => !hasSample(series, claim)).map(claimText))].sort();
    return missing.length === 0;
  };
  await eventually(isComplete, { withinMs: 120_000, everyMs: 500 }).catch((error: unknown) => {
    if (missing.length === 0) throw error;
  });
  expect(missing).toEqual([]);
});
