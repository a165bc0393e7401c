/** Benchmark: CPU per push by format. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadHash, parseTenantId } from '@loki/model';
import type { Task, Workers } from '@loki/ports';
import { encodeRecordsTask } from '@loki/segment';
import { defaultLimits, testDistributor } from './distributor.ts';

// CPU seconds per GB of raw lines, compression left out (and measured by itself):
//   node tools/bench/… generate --out DIR --gb 0.05 --json
//   npx node libs/roles/distributor/src/test/push.bench.ts DIR [proto|json] [repeats]

/** Takes batches without compressing them. */
const noCompression: Workers = {
  parallelism: 1,
  async run<Input, Output>(task: Task<Input, Output>): Promise<Output> {
    if (task.name !== encodeRecordsTask.name) throw new Error(`unexpected task ${task.name}`);
    return { records: [new Uint8Array(1)] } as Output;
  },
  async close() {},
};

async function main(): Promise<void> {
  await loadHash();
  const [directory, mode = 'proto', repeats = '8'] = process.argv.slice(2);
  const file = join(directory, `main.${mode}`);
  const index = JSON.parse(readFileSync(`${file}.idx.json`, 'utf8')) as {
    o: number;
    l: number;
    r: number;
    n: number;
  }[];
  const bytes = readFileSync(file);
  const contentType = mode === 'json' ? 'application/json' : 'application/x-protobuf';
  const headers = new Map([['content-type', contentType]]);
  const unlimited = {
    ...defaultLimits,
    ingestionRateBytes: 1e12,
    ingestionBurstBytes: 1e12,
    perStreamRateLimitBytes: 1e12,
    perStreamRateLimitBurstBytes: 1e12,
  };
  const { push, log } = testDistributor({
    nowMs: Date.now(),
    limits: () => unlimited,
    partitions: 4,
    options: { lingerMs: 0, chunkAgeMaxMs: 1e12 },
    deps: { workers: noCompression },
  });
  const tenant = parseTenantId('bench');
  for (let round = 0; round < Number(repeats); round++) {
    const started = process.cpuUsage();
    const startMs = performance.now();
    let raw = 0;
    let lines = 0;
    for (const batch of index) {
      const answer = await push(tenant, { headers, body: bytes.subarray(batch.o, batch.o + batch.l) });
      if (answer.status !== 204) throw new Error(`${answer.status} ${String(answer.body).slice(0, 300)}`);
      raw += batch.r;
      lines += batch.n;
    }
    const { user, system } = process.cpuUsage(started);
    const cpu = (user + system) / 1e6;
    console.log(
      JSON.stringify({
        mode,
        round,
        cpuSecondsPerGB: Number((cpu / (raw / 1e9)).toFixed(2)),
        megabytesPerSecond: Math.round(raw / 1e3 / (performance.now() - startMs)),
        lines,
        records: log.records.length,
      }),
    );
    log.records.length = 0;
  }
}

void main();
