import { ConfigError } from '@loki/config';
import type { OverridesRequest } from '@loki/config';
import { overridesReader } from './overrides-thread.ts';

// Protects: however many tenants an overrides file has, reading it holds up neither pushes nor health checks.

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
  let longestMs = 0;
  let beforeMs = cpuMs();
  const timer = setInterval(() => {
    const nowMs = cpuMs();
    longestMs = Math.max(longestMs, nowMs - beforeMs);
    beforeMs = nowMs;
  }, 1);
  await work();
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
}, 60_000);

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
