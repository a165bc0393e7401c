/** Benchmark: CPU per OTLP push. */
import { loadHash, parseTenantId } from '@loki/model';
import type { Task, Workers } from '@loki/ports';
import { encodeRecordsTask } from '@loki/segment';
import { defaultLimits, testDistributor } from './distributor.ts';
import { encodeOtlpRequest } from './otlp.ts';

// CPU seconds per GB of lines of OTLP requests in both forms, compression left out:
//   npx node libs/roles/distributor/src/test/otlp.bench.ts [rounds]

const requestCount = 40;
const recordsPerRequest = 2000;

/** Takes batches without compressing them. */
const noCompression: Workers = {
  parallelism: 1,
  async run<Input, Output>(task: Task<Input, Output>): Promise<Output> {
    if (task.name !== encodeRecordsTask.name) throw new Error(`unexpected task ${task.name}`);
    return { records: [new Uint8Array(1)] } as Output;
  },
  async close() {},
};

const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });

function lineOf(request: number, record: number): string {
  const words = 'abcdefghij '.repeat(record % 14);
  return `level=info msg="request ${request}-${record} finished" path=/api/v1/items/${record % 300} status=200 ${words}`;
}

/** A request as an SDK's batch processor sends it: ids, both times, three attributes. */
function requestOf(index: number, nowNs: bigint): object {
  const logRecords = Array.from({ length: recordsPerRequest }, (_, i) => ({
    timeUnixNano: String(nowNs + BigInt(i)),
    observedTimeUnixNano: String(nowNs + BigInt(i) + 5n),
    severityNumber: 9,
    severityText: 'Info',
    body: { stringValue: lineOf(index, i) },
    attributes: [
      attribute('http.method', 'GET'),
      { key: 'http.status_code', value: { intValue: '200' } },
      attribute('log.iostream', 'stdout'),
    ],
    traceId: '0123456789abcdef0123456789abcdef',
    spanId: '0123456789abcdef',
  }));
  const resource = {
    attributes: [attribute('service.name', `svc${index % 7}`), attribute('host.name', 'h')],
  };
  return { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'lib' }, logRecords }] }] };
}

async function main(): Promise<void> {
  await loadHash();
  // Nothing else keeps the process: the distributor's timers do not.
  const alive = setInterval(() => {}, 1000);
  const rounds = Number(process.argv[2] ?? 5);
  const nowMs = Date.now();
  const requests = Array.from({ length: requestCount }, (_, i) => requestOf(i, BigInt(nowMs) * 1_000_000n));
  let lineBytes = 0;
  for (let i = 0; i < requestCount; i++) {
    for (let record = 0; record < recordsPerRequest; record++) lineBytes += lineOf(i, record).length;
  }
  const limits = {
    ...defaultLimits,
    ingestionRateBytes: 1e12,
    ingestionBurstBytes: 1e12,
    perStreamRateLimitBytes: 1e12,
    perStreamRateLimitBurstBytes: 1e12,
  };
  const { push, log } = testDistributor({
    nowMs,
    limits: () => limits,
    options: { lingerMs: 0, chunkAgeMaxMs: 1e12 },
    deps: { workers: noCompression },
  });
  const tenant = parseTenantId('bench');
  for (const [form, contentType, encode] of [
    ['json', 'application/json', (request: object) => Buffer.from(JSON.stringify(request))],
    ['proto', 'application/x-protobuf', encodeOtlpRequest],
  ] as const) {
    const bodies = requests.map(encode);
    const headers = new Map([['content-type', contentType]]);
    for (let round = 0; round < rounds; round++) {
      const started = process.cpuUsage();
      for (const body of bodies) {
        const answer = await push(tenant, { path: '/otlp/v1/logs', headers, body });
        if (answer.status !== 204) throw new Error(`${answer.status} ${String(answer.body).slice(0, 300)}`);
      }
      const { user, system } = process.cpuUsage(started);
      const cpuSecondsPerGB = Number(((user + system) / 1e6 / (lineBytes / 1e9)).toFixed(2));
      console.log(JSON.stringify({ form, round, cpuSecondsPerGB }));
      log.records.length = 0;
    }
  }
  clearInterval(alive);
}

void main();
