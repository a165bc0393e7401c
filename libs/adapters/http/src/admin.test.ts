import type { HttpRequest, HttpResponse } from '@loki/ports';
import { buildInfo, createLogger, Metrics } from '@loki/telemetry';
import { adminHandlers, tenantLimitsHandlers } from './admin.ts';
import { routeLabel, routes } from './routes.ts';
import type { RouteId } from './routes.ts';
import { ServiceStates } from './service-states.ts';
import { TenantResolver } from './tenant-resolver.ts';
import { timers } from './test/server.ts';

function request(
  method = 'GET',
  queryText = '',
  body = '',
  headers: Record<string, string> = {},
): HttpRequest {
  return {
    method,
    queryText,
    body: Buffer.from(body),
    headers: new Map(Object.entries(headers)),
  } as unknown as HttpRequest;
}

function wire() {
  const states = new ServiceStates();
  const { control } = createLogger({
    clock: { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => 0 },
    write() {},
  });
  const metrics = new Metrics();
  let configTexts = 0;
  const handlers = adminHandlers({
    timers,
    states,
    metrics,
    log: control,
    buildInfo: buildInfo('node24'),
    configText: (mode) => {
      configTexts++;
      return `mode: ${mode}\n`;
    },
  });
  const ask = async (id: RouteId, ...args: Parameters<typeof request>): Promise<HttpResponse> =>
    handlers[id]!(request(...args));
  return { states, control, metrics, ask, configTexts: () => configTexts };
}

test('ready when every part runs and no check objects', async () => {
  const { states, ask } = wire();
  states.set('ingester', 'Starting');
  states.set('querier', 'Running');
  expect(await ask('ready')).toMatchObject({
    status: 503,
    body: 'Some services are not Running:\nStarting: 1\n',
  });
  states.set('ingester', 'Running');
  let reason: string | undefined = 'Ingester not ready: catching up';
  states.addCheck(() => reason);
  expect(await ask('ready')).toMatchObject({ status: 503, body: 'Ingester not ready: catching up\n' });
  reason = undefined;
  expect(await ask('ready')).toMatchObject({ status: 200, body: 'ready\n' });
  expect(await ask('services')).toMatchObject({ body: 'ingester => Running\nquerier => Running\n' });
  states.stopping();
  expect(await ask('ready')).toMatchObject({ status: 503, body: 'Application is stopping\n' });
});

test('texts that are dear to make are made once, however many ask', async () => {
  const { ask, metrics, configTexts } = wire();
  await Promise.all(Array.from({ length: 20 }, () => ask('config')));
  expect(configTexts()).toBe(1);
  const made = metrics.counter('made_total', 'Expositions.');
  metrics.gauge('makes', 'Counts them.', [], () => made.inc());
  const text = ({ body }: HttpResponse) => String(body);
  const first = await Promise.all(Array.from({ length: 20 }, () => ask('metrics')));
  expect(new Set(first.map(text)).size).toBe(1);
  // A later request shows the counts of its own time.
  made.inc(100);
  expect(text(await ask('metrics'))).toMatch(/^made_total 10[12]$/m);
});

test('the log level is shown and set, by query or by form', async () => {
  const { control, ask } = wire();
  expect(await ask('logLevel')).toMatchObject({ body: '{"message":"Current log level is info"}\n' });
  expect(await ask('logLevel', 'POST', 'log_level=nope')).toMatchObject({
    status: 400,
    body: '{"status":"failed","message":"unrecognized log level \\"nope\\""}\n',
  });
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  expect(await ask('logLevel', 'POST', '', 'log_level=debug', form)).toMatchObject({
    status: 200,
    body: '{"status":"success","message":"Log level set to debug"}\n',
  });
  expect(control.level).toBe('debug');
});

test('the configuration is shown whole unless a known mode is asked for', async () => {
  const { ask } = wire();
  expect(await ask('config', 'GET', 'mode=diff')).toMatchObject({ body: 'mode: diff\n' });
  expect(await ask('config', 'GET', 'mode=diffs')).toMatchObject({ body: 'mode: full\n' });
});

test('build information has the keys clients read', async () => {
  const { ask } = wire();
  const info = JSON.parse((await ask('buildInfo')).body as string) as Record<string, unknown>;
  const keys = ['version', 'revision', 'branch', 'buildUser', 'buildDate', 'goVersion'];
  expect(Object.keys(info)).toEqual(keys);
});

test('a tenant sees its limits only by name, even while authentication is off', async () => {
  const handlers = tenantLimitsHandlers({
    tenants: new TenantResolver({
      authEnabled: false,
      noAuthTenant: 'fake',
      multiTenantQueriesEnabled: false,
    }),
    limits: (tenant) => ({ max_query_series: tenant.length }),
    limitsYaml: (tenant) => `tenant: ${tenant}\n`,
    patternIngesterEnabled: true,
    version: '3.6.0',
  });
  expect(() => handlers.drilldownLimits!(request())).toThrow('no org id');
  const named = request('GET', '', '', { 'x-scope-orgid': 'abc' });
  expect(await handlers.drilldownLimits!(named)).toMatchObject({
    body: '{"limits":{"max_query_series":3},"pattern_ingester_enabled":true,"version":"3.6.0"}\n',
  });
  expect(await handlers.tenantLimits!(named)).toMatchObject({ body: 'tenant: abc\n' });
});

test('route labels are those that dashboards name', () => {
  const labels = Object.values(routes).map((route) => routeLabel(route.path));
  for (const known of [
    'loki_api_v1_push',
    'api_prom_push',
    'otlp_v1_logs',
    'loki_api_v1_query_range',
    'loki_api_v1_label_name_values',
    'loki_api_v1_detected_field_name_values',
    'loki_api_v1_index_volume_range',
    'api_prom_rules_namespace_groupname',
    'prometheus_api_v1_rules',
  ]) {
    expect(labels).toContain(known);
  }
  expect(new Set(labels).size).toBe(labels.length);
});
