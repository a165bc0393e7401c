/**
 * Protects memory and scrapes from tenants that a client invents: what is counted for them is forgotten when
 * they are silent, and nothing is forgotten of those who are not.
 */
import { IdleTenants } from './idle-tenants.ts';
import { distributorMetrics, ingesterMetrics, Metrics, queryMetrics, rulerMetrics } from './index.ts';

const idleMs = 60_000;
const pause = () => Promise.resolve();

async function tenantLines(metrics: Metrics, tenant: string): Promise<string[]> {
  const text = await metrics.text();
  return text.split('\n').filter((line) => line.includes(`"${tenant}"`));
}

test('silent tenants are forgotten, others stay to the last digit', async () => {
  const metrics = new Metrics();
  const distributor = distributorMetrics(metrics);
  const query = queryMetrics(metrics);
  const tenants = new IdleTenants(metrics, { idleMs });
  const push = (tenant: string) => {
    distributor.pushed(tenant, 'loki', 'application/json', '');
    distributor.lagged({ tenant, format: 'loki', userAgent: 'x', lagMs: 5 });
    query.enqueued(tenant);
    query.dequeued(tenant, 0.1);
  };
  for (let i = 0; i < 100; i++) push(`invented-${i}`);
  let forgotten = 0;
  for (let nowMs = 0; nowMs <= 2 * idleMs; nowMs += idleMs / 4) {
    push('loyal');
    forgotten += await tenants.sweep(nowMs, pause);
  }
  expect(forgotten).toBe(100);
  expect(await tenantLines(metrics, 'invented-7')).toEqual([]);
  const lines = await tenantLines(metrics, 'loyal');
  expect(lines).toHaveLength(4);
  expect(lines).toContainEqual(expect.stringMatching(/^loki_distributor_push_stats_count\{.*"loyal".*\} 9$/));

  push('invented-7');
  expect(await tenantLines(metrics, 'invented-7')).toContainEqual(
    expect.stringMatching(/^loki_query_scheduler_enqueue_count\{.*\} 1$/),
  );
});

test('a gauge of held resources stays', async () => {
  const metrics = new Metrics();
  const ruler = rulerMetrics(metrics);
  ruler.queueBytes('a', 100);
  ruler.queueBytes('b', 0);
  const tenants = new IdleTenants(metrics, { idleMs });
  for (const nowMs of [0, idleMs, 2 * idleMs]) await tenants.sweep(nowMs, pause);
  expect(await tenantLines(metrics, 'a')).toEqual(['loki_ruler_wal_disk_size{tenant="a"} 100']);
  expect(await tenantLines(metrics, 'b')).toEqual([]);
});

test('no metric of a tenant is one that cannot be forgotten', () => {
  const metrics = new Metrics();
  distributorMetrics(metrics);
  queryMetrics(metrics);
  rulerMetrics(metrics);
  ingesterMetrics(metrics);
  const all = metrics.registry.getMetricsAsArray() as unknown as {
    readonly labelNames?: readonly string[];
  }[];
  const ofTenants = all.filter(({ labelNames = [] }) =>
    labelNames.some((name) => /^(tenant|user)$/.test(name)),
  );
  expect(ofTenants.length).toBeGreaterThan(20);
  for (const metric of ofTenants) expect(['Counter', 'Gauge']).toContain(metric.constructor.name);
});
