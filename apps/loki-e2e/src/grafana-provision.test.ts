/**
 * Protects `-target=grafana-provision`: the program that gives a Grafana its data sources, as the Jobs of the
 * chart start it. A fake of Grafana and one of the Kubernetes API answer real requests.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import YAML from 'yaml';
import { certify, eventually, FakeGrafana } from '@loki/test-tools';

const root = path.resolve(import.meta.dirname, '../../..');
let directory: string;
let grafana: FakeGrafana;
let url: string;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-grafana-'));
  fs.mkdirSync(path.join(directory, 'dashboards'));
  fs.writeFileSync(
    path.join(directory, 'dashboards/logs.json'),
    JSON.stringify({ uid: 'logs', title: 'Logs' }),
  );
  const source = {
    name: 'Whizard Logs',
    uid: 'whizard-logs-ks',
    type: 'loki',
    url: 'http://loki-gateway.loki.svc',
    editable: true,
    jsonData: { httpHeaderName1: 'X-Scope-OrgID', maxLines: 1000 },
    secureJsonData: { httpHeaderValue1: 'whizard-logs-ks' },
  };
  fs.writeFileSync(
    path.join(directory, 'datasources.yaml'),
    YAML.stringify({ apiVersion: 1, datasources: [source] }),
  );
  grafana = new FakeGrafana();
  url = await grafana.listen();
});
beforeEach(() => {
  grafana.loseDatabase();
  grafana.requests.length = 0;
  grafana.requestsBeforeStart = 0;
  grafana.startsAfter = 0;
});
afterAll(async () => {
  await grafana.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

interface Run {
  readonly code: number | null;
  readonly log: string;
}

interface Start {
  readonly env?: Readonly<Record<string, string>>;
  /** Answers before Grafana is there. */
  readonly startsAfter?: number;
  /** Program that starts the process, with its arguments. */
  readonly wrapper?: readonly string[];
}

/** One run with a configuration file, as a Job has it. */
function provision(settings: object, env: Record<string, string> = {}): Promise<Run> {
  return begin(settings, { env }).ended;
}

function begin(settings: object, { env = {}, startsAfter, wrapper = [] }: Start) {
  if (startsAfter !== undefined) grafana.startsAfter = startsAfter;
  const file = path.join(directory, 'config.yaml');
  const block = {
    url,
    data_sources: path.join(directory, 'datasources.yaml'),
    dashboards: path.join(directory, 'dashboards'),
    username: 'admin',
    password: '${GRAFANA_PASSWORD}',
    wait: '0s',
    ...settings,
  };
  fs.writeFileSync(file, YAML.stringify({ target: 'grafana-provision', grafana_provision: block }));
  const [program, ...args] = [
    ...wrapper,
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    'apps/loki/src/main.ts',
    `-config.file=${file}`,
    '-config.expand-env=true',
  ];
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', GRAFANA_PASSWORD: 'secret', ...env },
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = new Promise<Run>((resolve) => child.once('close', (code) => resolve({ code, log })));
  return { child, ended };
}

test('data sources and dashboards appear, and come back after a restart of Grafana', async () => {
  for (let times = 0; times < 2; times++) {
    grafana.loseDatabase();
    const { code, log } = await provision({});
    expect([code, log]).toEqual([0, expect.stringContaining('outcome=created')]);
    expect(grafana.dataSources.get('whizard-logs-ks')).toMatchObject({
      access: 'proxy',
      isDefault: false,
      secureJsonData: { httpHeaderValue1: 'whizard-logs-ks' },
    });
    expect(grafana.dashboards.get('logs')).toMatchObject({ folderUid: 'loki' });
  }
});

test('a Grafana that starts is waited for', async () => {
  grafana.startsAfter = 1;
  expect(await provision({ wait: '10s' })).toMatchObject({ code: 0 });
  expect(grafana.dataSources.size).toBe(1);
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s ends a run that waits for Grafana at once, with 0',
  async (signal) => {
    const { child, ended } = begin({ wait: '10m' }, { startsAfter: 1_000 });
    await eventually(() => grafana.requestsBeforeStart > 0);
    child.kill(signal);
    expect(await ended).toMatchObject({ code: 0, log: expect.stringContaining(`signal=${signal}`) });
  },
);

const canUnshare = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
(canUnshare ? test : test.skip)('SIGTERM ends it as the first process of a container, too', async () => {
  const { child, ended } = begin(
    { wait: '10m' },
    { startsAfter: 1_000, wrapper: ['unshare', '--pid', '--fork'] },
  );
  await eventually(() => grafana.requestsBeforeStart > 0);
  const first = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
  process.kill(Number(first), 'SIGTERM');
  expect(await ended).toMatchObject({ code: 0, log: expect.stringContaining('signal=SIGTERM') });
});

test('no Grafana is no failure', async () => {
  const { code, log } = await provision({ url: 'http://127.0.0.1:1' });
  expect([code, log]).toEqual([0, expect.stringContaining('not installed, nothing to do')]);
});

test('a wrong password is tried once, fails the Job, and fails no hook', async () => {
  const wrong = { GRAFANA_PASSWORD: 'wrong' };
  const { code, log } = await provision({}, wrong);
  expect([code, log]).toEqual([1, expect.stringContaining('the login is refused')]);
  expect(grafana.requests).toHaveLength(1);
  expect(log).not.toContain('wrong');
  expect(await provision({ best_effort: true }, wrong)).toMatchObject({ code: 0 });
});

test('provisioned objects are removed again', async () => {
  await provision({});
  expect(await provision({ remove: true })).toMatchObject({ code: 0 });
  expect(grafana.dataSources.size + grafana.dashboards.size).toBe(0);
});

test('the login is read from the Secret of Grafana, by the service account of the pod', async () => {
  const account = path.join(directory, 'account');
  certify(account, 'ca', ['kubernetes']);
  fs.writeFileSync(path.join(account, 'token'), 'the-token\n');
  const asked: string[] = [];
  const data = { 'admin-user': 'admin', 'admin-password': 'secret' };
  const encoded = Object.fromEntries(
    Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  );
  const pair = {
    key: fs.readFileSync(path.join(account, 'kubernetes.key')),
    cert: fs.readFileSync(path.join(account, 'kubernetes.crt')),
  };
  const kubernetes = https.createServer(pair, (request, response) => {
    asked.push(`${request.headers.authorization} ${request.url}`);
    const isThere = request.url!.endsWith('/grafana');
    response.writeHead(isThere ? 200 : 404).end(isThere ? JSON.stringify({ data: encoded }) : '{}');
  });
  await new Promise<void>((resolve) => kubernetes.listen(0, '127.0.0.1', resolve));
  const env = {
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String((kubernetes.address() as AddressInfo).port),
  };
  const settings = {
    username: '',
    password: '',
    secret_namespace: 'monitoring',
    service_account_directory: account,
  };
  try {
    expect(await provision({ ...settings, secret_name: 'grafana' }, env)).toMatchObject({ code: 0 });
    expect(asked).toEqual(['Bearer the-token /api/v1/namespaces/monitoring/secrets/grafana']);
    expect(grafana.dataSources.size).toBe(1);
    const { code, log } = await provision({ ...settings, secret_name: 'other' }, env);
    expect([code, log]).toEqual([0, expect.stringContaining('Secret not found')]);
  } finally {
    kubernetes.closeAllConnections();
    kubernetes.close();
  }
});

test.each([
  [{ username: '' }, 'set token, username or secret_name'],
  [{ data_sources: '/nowhere.yaml' }, 'ENOENT'],
])('%j is refused in words', async (settings, words) => {
  const { code, log } = await provision(settings);
  expect([code, log]).toEqual([1, expect.stringContaining(words)]);
});
