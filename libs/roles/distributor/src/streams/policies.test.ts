/** Protects: policies match streams as Loki's do, and add their own rules. */
import { buildLimits } from '@loki/config';
import type { Limits } from '@loki/config';
import { defaultLimits, storedEntries, testDistributor } from '../test/distributor.ts';

const nowMs = Date.UTC(2026, 0, 15, 12, 30);

function bodyOf(
  ...streams: { labels: Record<string, string>; lines: (string | [string, Record<string, string>])[] }[]
) {
  const values = (lines: (string | [string, Record<string, string>])[], ageMs = 0) =>
    lines.map((line, i) => [`${nowMs - ageMs}${String(i).padStart(6, '0')}`, ...[line].flat()]);
  return Buffer.from(
    JSON.stringify({
      streams: streams.map(({ labels, lines }) => ({ stream: labels, values: values(lines) })),
    }),
  );
}

function withLimits(limits: Partial<Limits>) {
  const merged = { ...defaultLimits, ...limits };
  return testDistributor({ nowMs, limits: () => merged });
}

const mapping = [
  { policy: 'finance', selector: '{team="pay"}', priority: 2 },
  { policy: 'ops', selector: '{team=~"pay|run", env!="dev"}', priority: 1 },
];

describe('policies', () => {
  test('are read from the configuration as Loki writes it', () => {
    const limits = buildLimits(
      new Map<string, never>([
        ['policy_stream_mapping', { finance: [{ selector: '{team="pay"}', priority: 2 }] } as never],
        ['policy_enforced_labels', { finance: ['cluster'], '*': ['app'] } as never],
        ['block_ingestion_policy_until', { ops: '2026-02-01T00:00:00Z' } as never],
      ]),
      { maxReturnedStreamErrors: 10 },
    );
    expect(limits.policyStreamMapping).toEqual([mapping[0]]);
    expect([...limits.policyEnforcedLabels]).toEqual([
      ['finance', ['cluster']],
      ['*', ['app']],
    ]);
    expect(limits.blockIngestionPolicyUntilMs.get('ops')).toBe(Date.UTC(2026, 1, 1));
    const bad = new Map<string, never>([['block_ingestion_policy_until', { ops: 'soon' } as never]]);
    expect(() => buildLimits(bad, { maxReturnedStreamErrors: 10 })).toThrow(
      'block_ingestion_policy_until.ops',
    );
  });

  test('name themselves in what is counted: the one of the highest priority that matches', async () => {
    const { push, metrics } = withLimits({ policyStreamMapping: mapping, maxLineSizeBytes: 5 });
    const body = bodyOf(
      { labels: { team: 'pay' }, lines: ['1', '2', 'too long'] },
      { labels: { team: 'run' }, lines: ['3'] },
      { labels: { team: 'run', env: 'dev' }, lines: ['4'] },
    );
    expect((await push('t', { body })).status).toBe(400);
    const text = await metrics.text();
    expect(text).toMatch(/loki_distributor_lines_received_total\{.*policy="finance".*\} 2/);
    expect(text).toMatch(/loki_distributor_lines_received_total\{.*policy="ops".*\} 1/);
    expect(text).toMatch(/loki_distributor_lines_received_total\{.*policy="".*\} 1/);
    expect(text).toMatch(/loki_discarded_samples_total\{.*policy="finance",reason="line_too_long".*\} 1/);
  });

  test('may ask for labels of their own, besides those of all', async () => {
    const { push, log } = withLimits({
      policyStreamMapping: mapping,
      policyEnforcedLabels: new Map([
        ['finance', ['cluster']],
        ['*', ['app']],
      ]),
    });
    const body = bodyOf(
      { labels: { team: 'pay', app: 'a' }, lines: ['1'] },
      { labels: { team: 'pay', app: 'a', cluster: 'c' }, lines: ['2'] },
      { labels: { env: 'dev' }, lines: ['3'] },
    );
    const answer = await push('t', { body });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain(
      `missing required labels 'cluster' for user 't' for stream '{app="a", service_name="a", team="pay"}' (policy: 'finance')`,
    );
    expect(answer.body).toContain(
      `missing required labels 'app' for user 't' for stream '{env="dev", service_name="unknown_service"}'`,
    );
    expect(storedEntries(log).map(({ line }) => line)).toEqual(['2']);
  });

  test('that are blocked are refused by themselves; status 200 says nothing of it', async () => {
    const blocked = {
      policyStreamMapping: mapping,
      blockIngestionPolicyUntilMs: new Map([['finance', nowMs + 60_000]]),
    };
    const body = bodyOf(
      { labels: { team: 'pay' }, lines: ['no'] },
      { labels: { team: 'run' }, lines: ['yes'] },
    );
    const loud = withLimits(blocked);
    const answer = await loud.push('t', { body });
    expect(answer).toMatchObject({
      status: 260,
      body: `ingestion blocked for user 't' until '2026-01-15T12:31:00Z' with status code '260' (policy: 'finance')\n`,
    });
    expect(storedEntries(loud.log).map(({ line }) => line)).toEqual(['yes']);
    expect(await loud.metrics.text()).toMatch(/reason="blocked_ingestion_policy".*\} 1/);
    const silent = withLimits({ ...blocked, blockIngestionStatusCode: 200 });
    expect((await silent.push('t', { body })).status).toBe(204);
    expect(storedEntries(silent.log).map(({ line }) => line)).toEqual(['yes']);
  });
});

describe('a backfill', () => {
  const labels = { app: 'a' };
  const old = (days: number) =>
    Buffer.from(
      JSON.stringify({
        streams: [{ stream: labels, values: [[`${nowMs - days * 86_400_000}000000`, 'old']] }],
      }),
    );
  const headers = (shard: string) =>
    new Map([
      ['content-type', 'application/json'],
      ['x-loki-backfill-shard', shard],
    ]);

  test('brings entries of any age, in streams of their own', async () => {
    const { push, log } = withLimits({});
    expect((await push('t', { body: old(30) })).status).toBe(400);
    expect((await push('t', { body: old(30), headers: headers('7') })).status).toBe(204);
    expect((await push('t', { body: old(0) })).status).toBe(204);
    const marked = { __backfill__: 'true', __backfill_shard__: '7' };
    expect(storedEntries(log).map(({ stream }) => stream)).toEqual([
      { ...labels, service_name: 'a', ...marked },
      { ...labels, service_name: 'a' },
    ]);
  });

  test('only the header, of at most 128 bytes, marks a push as a backfill', async () => {
    const { push, log } = withLimits({});
    const own = bodyOf({ labels: { ...labels, __backfill__: 'true' }, lines: ['x'] });
    expect(await push('t', { body: own })).toMatchObject({
      status: 400,
      body: expect.stringContaining(`reserved label name: '__backfill__'`) as string,
    });
    expect((await push('t', { body: own, headers: headers('1') })).status).toBe(400);
    expect((await push('t', { body: old(1), headers: headers('x'.repeat(129)) })).status).toBe(400);
    expect((await push('t', { body: old(1), headers: headers('x'.repeat(128)) })).status).toBe(204);
    expect(log.records).toHaveLength(1);
  });
});

test('fields that the tenant names become metadata: from labels, metadata or the line, in this order', async () => {
  const { push, log } = withLimits({
    discoverLogLevels: false,
    discoverGenericFields: new Map([
      ['trace_id', ['traceID', 'trace.id', 'tid']],
      ['cluster', ['cluster']],
    ]),
  });
  const body = bodyOf({
    labels: { app: 'a', cluster: 'c1' },
    lines: [
      '{"trace":{"id":"nested"},"n":1}',
      '{"traceID":42}',
      'msg="a tid=no" tid="quo\\"ted" x=1',
      'tid=bare',
      ['tid=line', { tid: 'metadata' }],
      ['tid=line', { trace_id: 'own' }],
      'nothing tid',
      '{"traceID":{"not":"text"}',
    ],
  });
  expect((await push('t', { body })).status).toBe(204);
  expect(storedEntries(log).map(({ metadata }) => metadata['trace_id'])).toEqual([
    'nested',
    '42',
    'quo"ted',
    'bare',
    'metadata',
    'own',
    undefined,
    undefined,
  ]);
  expect(storedEntries(log).every(({ metadata }) => metadata['cluster'] === 'c1')).toBe(true);
});
