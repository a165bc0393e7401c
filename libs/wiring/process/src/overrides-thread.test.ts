/**
 * Protects: however many tenants an overrides file has, reading it holds up neither pushes nor health
 * checks.
 */
import { ConfigError, RuntimeConfig } from '@loki/config';
import type { OverridesRequest } from '@loki/config';
import type { Logger } from '@loki/ports';
import { NodeTimers } from '@loki/runtime';
import { collectGarbage } from '@loki/test-tools';
import { overridesReader } from './overrides-thread.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

const tenantCount = 5_000;
const block = 'ingestion_rate_mb: 8\n    query_timeout: 2m\n    retention_period: 72h';

function requestOf(text: string, memo?: OverridesRequest['memo']): OverridesRequest {
  return {
    files: [{ file: 'o.yaml', text }],
    globalValues: new Map<string, unknown>([['query_timeout', 60_000_000_000n]]),
    limitContext: { maxReturnedStreamErrors: 10 },
    memo,
  };
}

const fileOf = (last: string) =>
  `overrides:\n${Array.from({ length: tenantCount }, (_, i) => `  tenant-${i}:\n    ${block}\n`).join('')}  last:\n    ${last}\n`;

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
};

/** The most CPU time that this thread spent on one turn of its loop while `work` went on. */
async function longestTurn(work: () => Promise<void>): Promise<number> {
  collectGarbage();
  let longestMs = 0;
  let beforeMs = cpuMs();
  const endTurn = () => {
    const nowMs = cpuMs();
    longestMs = Math.max(longestMs, nowMs - beforeMs);
    beforeMs = nowMs;
  };
  const timer = setInterval(endTurn, 1);
  await work();
  endTurn(); // work that never gives way ends before the timer is heard
  clearInterval(timer);
  return longestMs;
}

test('a large file is read in a thread of its own, in batches, at the start and at each change', async () => {
  const reader = overridesReader();
  const tenants = new Map<string, string>();
  let largestBatch = 0;
  let memo: OverridesRequest['memo'];
  const read = async (last: string) => {
    const summary = await reader(requestOf(fileOf(last), memo), ({ limits }) => {
      largestBatch = Math.max(largestBatch, limits.length);
      for (const [tenant, json] of limits) tenants.set(tenant, json);
    });
    memo = summary.memo;
    expect(summary.warnings).toEqual([]);
  };
  for (const size of [1, 2]) {
    expect(await longestTurn(() => read(`max_line_size: ${size}`))).toBeLessThan(50);
    expect(tenants.size).toBe(tenantCount + 1);
    expect(tenants.get('last')).toBe(`[["max_line_size",${size}]]`);
  }
  expect(tenants.get('tenant-7')).toBe(
    '[["ingestion_rate_mb",8],["query_timeout","120000000000"],["retention_period","259200000000000"]]',
  );
  expect(largestBatch).toBeLessThanOrEqual(500);
});

// Through all that a start and a reload do: reading, hashing, handing over, taking in, asking for a tenant.
test('20,000 tenants in 2.9 MB take no turn of 50 ms, at the start, at a change and at a change of all', async () => {
  const text = (size: number, each: string) =>
    `overrides:\n${Array.from(
      { length: 20_000 },
      (_, i) =>
        `  tenant-team-${i}:\n    ${block}\n    max_query_series: ${each}\n    max_line_size: ${i === 0 ? size : 1_000}\n`,
    ).join('')}`;
  const texts = [text(1, '500'), text(2, '500'), text(2, '600')];
  expect(texts[0].length).toBeGreaterThan(2_800_000);
  let current = texts[0];
  const config = new RuntimeConfig({
    files: ['o.yaml'],
    periodMs: 1e9,
    readText: async () => current,
    readOverrides: overridesReader(),
    timers: new NodeTimers(),
    logger: silent,
    globalValues: new Map<string, unknown>([['query_timeout', 60_000_000_000n]]),
    limitContext: { maxReturnedStreamErrors: 10 },
  });
  const turns = [await longestTurn(() => config.start())];
  for (current of texts.slice(1)) turns.push(await longestTurn(() => config.reload()));
  config.stop();
  expect(config.isLastReloadSuccessful).toBe(true);
  expect(config.tenants.length).toBe(20_000);
  expect(config.forTenant('tenant-team-0')).toMatchObject({ maxLineSizeBytes: 2, maxQuerySeries: 600 });
  expect(config.forTenant('tenant-team-19999')).toMatchObject({
    maxLineSizeBytes: 1_000,
    maxQuerySeries: 600,
  });
  expect(Math.max(...turns)).toBeLessThan(50);
});

test.each([0, 1_000_000])(
  'faults are told in the same words by a thread and without one (inline up to %d)',
  async (inlineMax) => {
    const read = (text: string) => overridesReader(inlineMax)(requestOf(text), () => {});
    const refusal = expect(
      read('overrides:\n  a:\n    max_line_size: 1\n  b:\n    max_line_size: big\n'),
    ).rejects;
    await refusal.toThrow(ConfigError);
    await refusal.toThrow('o.yaml: yaml: construct errors: line 5: limits_config.max_line_size');
    // Checked by the languages of the process, which the thread has to have loaded.
    await expect(
      read(`overrides: {a: {retention_stream: [{selector: '{a=', period: 24h}]}}`),
    ).rejects.toThrow('overrides of tenant a: limits_config.retention_stream');
  },
);
