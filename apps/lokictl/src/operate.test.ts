/** Protects operators: what is shown is what processes say, and what goes wrong is said in words. */
import { leader, TestPeer } from './test/lokictl.ts';

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly body: string;
}

let server: TestPeer;
let asked: Asked[];
/** By `METHOD /path`; what is not there is answered 404. */
let answers: Map<string, { status: number; body: string }>;

beforeEach(async () => {
  asked = [];
  answers = new Map();
  server = await TestPeer.start((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      asked.push({ method: request.method!, url: request.url!, body });
      const answer = answers.get(`${request.method} ${request.url}`);
      response.writeHead(answer?.status ?? 404).end(answer?.body ?? '404 page not found\n');
    });
  });
});
afterEach(() => server.stop());

const lokictl = (...words: string[]) => server.lokictl(...words);

function answer(what: string, body: unknown, status = 200): void {
  answers.set(what, { status, body: typeof body === 'string' ? body : JSON.stringify(body) });
}

const member = {
  address: '10.0.0.1:9095',
  timestamp: '2026-01-01T00:00:00.000Z',
  registered_timestamp: '2026-01-01T00:00:00.000Z',
  read_only: false,
  zone: 'zone-a',
};
const ringAnswer = {
  shards: [
    { ...member, id: 'ingester-1', state: 'ACTIVE', tokens: [2 ** 30] },
    { ...member, id: 'ingester-2', state: 'UNHEALTHY', zone: '', tokens: [2 ** 31] },
  ],
  now: '2026-01-01T00:00:07.000Z',
};

describe('ring', () => {
  test('shows members with the age of their heartbeats and their share of all hashes', async () => {
    answer('GET /ring', ringAnswer);
    const { code, out } = await lokictl('ring');
    expect(code).toBe(0);
    expect(out).toBe(
      'INSTANCE    STATE      ZONE    ADDRESS        HEARTBEAT  TOKENS  SHARE\n' +
        'ingester-1  ACTIVE     zone-a  10.0.0.1:9095  7 s ago    1       75.0 %\n' +
        'ingester-2  UNHEALTHY  -       10.0.0.1:9095  7 s ago    1       25.0 %\n',
    );
  });

  test('any ring by its component’s name, as JSON too', async () => {
    answer('GET /compactor/ring', ringAnswer);
    expect(JSON.parse((await lokictl('ring', 'compactor', '--json')).out)).toEqual(ringAnswer);
    expect(await lokictl('ring', 'wedding')).toMatchObject({
      code: 2,
      err: expect.stringContaining('distributor'),
    });
  });
});

describe('forget', () => {
  test('strikes out who is not heard, and nobody else unless told to', async () => {
    answer('GET /ring', ringAnswer);
    answer('POST /ring', '', 302);
    expect(await lokictl('forget', 'ingester-2')).toMatchObject({
      code: 0,
      out: 'ingester-2 is removed from the ring\n',
    });
    expect(asked.at(-1)).toEqual({ method: 'POST', url: '/ring', body: 'forget=ingester-2' });
    expect(await lokictl('forget', 'ingester-1')).toMatchObject({
      code: 1,
      err: 'lokictl: ingester-1 is ACTIVE, last heartbeat 7 s ago: stop it first, or use --force\n',
    });
    expect((await lokictl('forget', 'ingester-1', '--force')).code).toBe(0);
    expect(await lokictl('forget', 'ingester-9')).toMatchObject({
      code: 1,
      err: 'lokictl: ingester-9 is not in this ring; its members: ingester-1, ingester-2\n',
    });
  });
});

describe('partitions', () => {
  const follower = { ...leader, instance: 'ingester-2', isLeader: false };
  const owners = ['ingester-1', 'ingester-2'];

  test('shows leaders with lag, committed offset and bytes, and everybody with --all', async () => {
    answer('GET /partitions', {
      partitions: [{ partition: 0, owners, instances: [leader, follower] }],
      failures: [],
    });
    const { code, out } = await lokictl('partitions');
    expect(code).toBe(0);
    expect(out).toBe(
      'PARTITION  OWNERS                 INSTANCE    LAG  COMMITTED  END  IN MEMORY  STATE\n' +
        '0          ingester-1 ingester-2  ingester-1  3    10         15   3.0 MiB    leads\n',
    );
    expect((await lokictl('partitions', '--all')).out).toContain('follows');
  });

  test('a partition without a leader, and an ingester that does not answer, are told by the exit code', async () => {
    answer('GET /partitions', {
      partitions: [{ partition: 0, owners, instances: [follower] }],
      failures: [{ instance: 'ingester-1', error: 'the heartbeats of this member have stopped' }],
    });
    const { code, out, err } = await lokictl('partitions');
    expect(code).toBe(1);
    expect(out).toContain('no leader');
    expect(err).toBe('lokictl: ingester-1: the heartbeats of this member have stopped\n');
  });
});

test('compaction shows finished and pending work', async () => {
  answer('GET /compaction', {
    compactors: [
      {
        instance: 'compactor-1',
        backlogMerges: 1,
        backlogBytes: 2048,
        waiting: [{ tenant: 'acme', day: '2026-01-01', bytes: 2048 }],
        isRunning: false,
        merges: 7,
        inputBytes: 5 << 20,
        outputBytes: 4 << 20,
        intervalMs: 600_000,
      },
    ],
    failures: [],
  });
  const { code, out } = await lokictl('compaction', '--days');
  expect(code).toBe(0);
  expect(out).toMatch(/^compactor-1 +idle +1 +2\.0 KiB +- +7 +5\.0 MiB +4\.0 MiB$/m);
  expect(out).toMatch(/^acme +2026-01-01 +2\.0 KiB +compactor-1$/m);
});

describe('services', () => {
  test('shows what each process serves, and who is not ready', async () => {
    answer('GET /services', 'ingester => Running\npattern-ingester => Starting\n');
    answer('GET /ready', 'Ingester not ready: reading the write log\n', 503);
    answer('GET /loki/api/v1/status/buildinfo', {
      version: '3.6.0',
      revision: 'a1'.repeat(20),
      branch: 'v1.2.3',
    });
    const { code, out, err } = await lokictl('services', '--addr', server.url);
    expect(code).toBe(1);
    expect(out).toContain(
      'NOT READY  v1.2.3 a1a1a1a1a1a1 (Loki 3.6.0)  ingester, pattern-ingester (Starting)',
    );
    expect(err).toBe(`lokictl: ${server.url}: Ingester not ready: reading the write log\n`);
    const [parsed] = JSON.parse((await lokictl('services', '--json')).out) as unknown[];
    expect(parsed).toMatchObject({ address: server.url, isReady: false, services: { ingester: 'Running' } });
  });

  test('a process that is not there is told beside those that are', async () => {
    const { code, err } = await lokictl('services', '--addr', '127.0.0.1:1');
    expect(code).toBe(1);
    expect(err).toMatch(/^lokictl: http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
  });
});

describe('flush', () => {
  test('flush calls every address', async () => {
    answer('POST /flush', '', 204);
    expect(await lokictl('flush', '--addr', `${server.url},${server.url}`)).toMatchObject({ code: 0 });
    expect(asked).toHaveLength(2);
  });

  test('says where it cannot be done', async () => {
    expect(await lokictl('flush')).toMatchObject({
      code: 1,
      err: `lokictl: ${server.url} has no route /flush: give the address of an ingester or a gateway\n`,
    });
  });
});

test.each([
  [['ring', '--addr', 'ftp://a'], 2, '--addr ftp://a is not a URL'],
  [['ring', '--timeout', 'soon'], 2, '--timeout needs a number'],
  [['ring', '--addr', 'http://a,http://b'], 2, 'takes one address'],
  [['ring', '--cert-file', 'a'], 1, 'nothing is read'],
  [['forget'], 2, 'INSTANCE is missing'],
  [['compaction'], 1, 'has no route /compaction'],
] as const)('%j ends with %i', async (words, code, text) => {
  const result = await lokictl(...words);
  expect(result.code).toBe(code);
  expect(result.err).toContain(text);
});

test('an answer that is no JSON, and one that never comes', async () => {
  answer('GET /partitions', 'hello');
  expect((await lokictl('partitions')).err).toContain('the answer is not JSON');
  server.fallSilent();
  expect((await lokictl('partitions', '--timeout', '0.2')).err).toContain('no answer within 0.2 s');
});
