import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from './load-config.ts';
import { renderConfig } from './render.ts';

async function loaded(yaml: string) {
  const result = await loadConfig({
    argv: ['-config.file=a'],
    env: () => undefined,
    readText: () => Promise.resolve(yaml),
    versionText: '',
  });
  if (result.kind !== 'run') throw new Error(result.stderr);
  return result;
}

const settingsOf = async (yaml: string) => (await loaded(yaml)).settings;

const secrets = `
auth_enabled: true
common:
  storage:
    s3: {bucketnames: b, access_key_id: AKIA, secret_access_key: hunter2, endpoint: "http://e:1"}
  ring: {kvstore: {redis: {endpoint: "r:1", password: hunter2}}}
kafka_config: {sasl_password: hunter2}
ruler:
  alertmanager_url: http://me:hunter2@am:9093
  alertmanager_client: {basic_auth_password: hunter2}
  remote_write: {clients: {one: {url: "http://u:hunter2@x/", basic_auth: {username: u, password: hunter2}, headers: {a: b}}}}
storage_config: {azure: {account_key: hunter2}, swift: {password: hunter2}}
`;

test('no page ever shows a secret, in any mode', async () => {
  const settings = await settingsOf(secrets);
  for (const mode of ['full', 'diff', 'defaults'] as const) {
    expect(renderConfig(settings, mode)).not.toContain('hunter2');
  }
  const full = renderConfig(settings);
  expect(full).toContain('secret_access_key: "********"');
  expect(full).toContain('access_key_id: AKIA');
  expect(full).toContain('http://me:********@am:9093');
});

test('the whole configuration is there, in YAML that reads back', async () => {
  const text = renderConfig(await settingsOf('auth_enabled: true\nserver: {http_server_read_timeout: 600s}'));
  for (const section of ['auth_enabled: true', 'limits_config:', 'schema_config:', 'ingester:', 'querier:']) {
    expect(text).toContain(section);
  }
  expect(parse(text)).toMatchObject({
    server: { http_server_read_timeout: '10m0s', http_listen_port: 3100 },
    limits_config: { max_line_size: '256KB', reject_old_samples_max_age: '1w' },
  });
});

test('what is rendered loads again to the same configuration', async () => {
  const text = renderConfig(
    await settingsOf('limits_config: {max_line_size: 1KB}\ncommon: {path_prefix: /x}'),
  );
  expect(renderConfig(await settingsOf(text))).toBe(text);
});

test('a file of chart 6.x means the same when it is loaded from what was rendered of it', async () => {
  const chart = readFileSync(join(__dirname, '..', 'testdata', 'chart-6.yaml'), 'utf8').replaceAll(
    'not-a-real-secret',
    '"********"',
  );
  const first = await loaded(chart);
  const second = await loaded(renderConfig(first.settings));
  expect({ ...second.config, limitValues: undefined }).toEqual({ ...first.config, limitValues: undefined });
});

test('diff shows what differs from the defaults and nothing else', async () => {
  const text = renderConfig(
    await settingsOf('auth_enabled: true\nno_auth_tenant: me\nserver: {http_listen_port: 3100}'),
    'diff',
  );
  expect(parse(text)).toEqual({ no_auth_tenant: 'me' });
});
