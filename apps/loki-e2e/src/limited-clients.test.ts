/**
 * Protects lines on their way through a rate limit: real senders are refused, come again as they do, and
 * nothing is lost or doubled; one stream far above its limit is sharded and never refused.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import pino from 'pino';
import { compressSync } from 'snappy';
import winston from 'winston';
import LokiTransport from 'winston-loki';
import { encodePushRequest } from '@loki/proto';
import { eventually } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'loki-limited-'));
let server: TestServer;

beforeAll(async () => {
  const file = path.join(directory, 'loki.yaml');
  const overrides = path.join(directory, 'overrides.yaml');
  fs.writeFileSync(
    file,
    `auth_enabled: true
limits_config: {ingestion_rate_mb: 100, ingestion_burst_size_mb: 100, per_stream_rate_limit: 40KB, per_stream_rate_limit_burst: 60KB}
runtime_config: {file: ${overrides}}
`,
  );
  fs.writeFileSync(
    overrides,
    `overrides:
  hot: {per_stream_rate_limit: 100KB, per_stream_rate_limit_burst: 100KB, shard_streams: {enabled: true, desired_rate: 50KB}}
  protobuf: {per_stream_rate_limit: 4KB, per_stream_rate_limit_burst: 60KB}
`,
  );
  server = await TestServer.start([`-config.file=${file}`, '-write-log.partitions=4']);
});

afterAll(async () => {
  await server.dispose();
  fs.rmSync(directory, { recursive: true });
});

const padding = '.'.repeat(480);
/** 100 KB and more: beyond what a stream may bring at once. */
const lineCount = 320;
const lines = Array.from({ length: lineCount }, (_, i) => `line ${i} ${padding}`);

/** All lines are there, each once, though some push was refused. */
async function expectAllOnce(tenant: string, query: string): Promise<void> {
  const numbers = await eventually(async () => {
    const { text } = await server.get(
      `/loki/api/v1/query_range?${new URLSearchParams({ query, limit: '5000' }).toString()}`,
      { 'X-Scope-OrgID': tenant },
    );
    const { data } = JSON.parse(text) as { data: { result: { values: [string, string][] }[] } };
    const read = data.result.flatMap(({ values }) =>
      values.map(([, line]) => Number(/line (\d+)/.exec(line)![1])),
    );
    return read.length >= lineCount && read.sort((a, b) => a - b);
  });
  expect(numbers).toEqual(lines.map((_, i) => i));
  const { text } = await server.get('/metrics');
  const refused = new RegExp(
    `loki_discarded_samples_total\\{[^}]*reason="per_stream_rate_limit"[^}]*tenant="${tenant}"\\} (\\d+)`,
  ).exec(text);
  expect(Number(refused?.[1])).toBeGreaterThan(0);
}

test.each([true, false])('winston-loki, JSON: %s', async (json) => {
  const tenant = `winston-${json}`;
  const transport = new LokiTransport({
    host: server.url,
    labels: { app: 'winston' },
    headers: { 'X-Scope-OrgID': tenant },
    json,
    interval: 0.1,
    gracefulShutdown: false,
    onConnectionError: () => undefined,
  });
  // It leaves a server alone for a minute after a refusal, which would make a long test.
  (transport as unknown as { batcher: { circuitBreakerInterval: number } }).batcher.circuitBreakerInterval =
    300;
  const logger = winston.createLogger({ transports: [transport], format: winston.format.simple() });
  // Two streams in one batch: the level is a label.
  for (const [i, line] of lines.entries()) logger.log(i % 3 === 0 ? 'warn' : 'info', line);
  await expectAllOnce(tenant, '{app="winston"}');
  await transport.close();
});

/** Sends each request on until it is taken, as agents do that take logs from others. */
async function startAgent(): Promise<{ url: string; close(): void }> {
  const agent = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = new Headers();
      for (const name of ['content-type', 'x-scope-orgid']) headers.set(name, String(request.headers[name]));
      void sendUntilTaken(server.url + request.url!, headers, Buffer.concat(chunks)).then(() => {
        response.statusCode = 204;
        response.end();
      });
    });
  });
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(agent.address() as AddressInfo).port}`,
    close: () => void agent.close(),
  };
}

/** Waits as Retry-After says; returns the number of refusals. */
async function sendUntilTaken(url: string, headers: Headers, body: Buffer): Promise<number> {
  for (let refused = 0; ; refused++) {
    const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
    if (answer.ok) return refused;
    expect(answer.status).toBe(429);
    expect(refused).toBeLessThan(10);
    await new Promise((resolve) => setTimeout(resolve, 1_000 * Number(answer.headers.get('retry-after'))));
  }
}

test('pino-loki, which names the stream anew for each line, behind an agent', async () => {
  const agent = await startAgent();
  const transport = pino.transport({
    target: 'pino-loki',
    options: {
      host: agent.url,
      labels: { app: 'pino' },
      headers: { 'X-Scope-OrgID': 'pino' },
      batching: { interval: 0.2 },
    },
  });
  const logger = pino(transport);
  for (const line of lines) logger.info(line);
  await expectAllOnce('pino', '{app="pino"}');
  transport.end();
  agent.close();
});

test.each([
  ['protobuf', ProtoExporter],
  ['JSON', JsonExporter],
])('the OpenTelemetry SDK, OTLP as %s', async (name, Exporter) => {
  const tenant = `otel-${name}`;
  const exporter = new Exporter({
    url: `${server.url}/otlp/v1/logs`,
    headers: { 'X-Scope-OrgID': tenant },
  });
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'otel' }),
    processors: [new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 150, maxQueueSize: 1_000 })],
  });
  const logger = provider.getLogger('scope');
  for (const line of lines) logger.emit({ body: line });
  await provider.forceFlush();
  await expectAllOnce(tenant, '{service_name="otel"}');
  await provider.shutdown();
});

test('a protobuf client that waits as it is told, with two streams in each push', async () => {
  const headers = new Headers({ 'content-type': 'application/x-protobuf', 'X-Scope-OrgID': 'protobuf' });
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  const entries = lines.map((line, i) => ({ timestampNs: nowNs + BigInt(i), line }));
  let refusals = 0;
  // The first push uses up the burst of both streams; the second one fits after five seconds.
  for (let from = 0; from < lineCount; from += 160) {
    const part = entries.slice(from, from + 160);
    const streams = ['a', 'b'].map((n, at) => ({
      labels: `{app="protobuf", n="${n}"}`,
      entries: part.filter((_, i) => i % 2 === at),
    }));
    const body = compressSync(encodePushRequest({ streams }));
    const refused = await sendUntilTaken(`${server.url}/loki/api/v1/push`, headers, body);
    expect(refused).toBeLessThanOrEqual(2);
    refusals += refused;
  }
  expect(refusals).toBeGreaterThan(0);
  await expectAllOnce('protobuf', '{app="protobuf"}');
});

test('one stream at four times its limit is never refused, and a push sent again after a restart doubles nothing', async () => {
  const sent: object[] = [];
  let next = 0;
  const push = (body: object) => server.push(body, { 'X-Scope-OrgID': 'hot' });
  for (let i = 0; i < 60; i++) {
    const startMs = Date.now();
    const values = Array.from({ length: 40 }, (_, at) => [
      `${startMs + 2 * at}000000`,
      `line ${next++} ${padding}${padding}`,
    ]);
    const body = { streams: [{ stream: { app: 'hot' }, values }] };
    sent.push(body);
    expect((await push(body)).status).toBe(204);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 100 - (Date.now() - startMs))));
  }
  expect(server.log().includes('stream sharded')).toBe(true);
  const count = async () => {
    const query = new URLSearchParams({ query: 'sum(count_over_time({app="hot"}[1h]))' }).toString();
    const { text } = await server.get(`/loki/api/v1/query?${query}`, { 'X-Scope-OrgID': 'hot' });
    const { data } = JSON.parse(text) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1] ?? 0);
  };
  await eventually(async () => (await count()) === next);
  await server.stop('SIGKILL');
  await server.start();
  for (const body of sent) expect((await push(body)).status).toBe(204);
  // Once this has been read, everything behind them has been read too.
  expect(
    (await push({ streams: [{ stream: { app: 'last' }, values: [[`${Date.now()}000000`, 'x']] }] })).status,
  ).toBe(204);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await eventually(async () => (await count()) === next);
  const { text } = await server.get('/loki/api/v1/series', { 'X-Scope-OrgID': 'hot' });
  expect((JSON.parse(text) as { data: object[] }).data).toEqual(
    expect.arrayContaining([{ app: 'hot', service_name: 'hot' }]),
  );
  expect(text).not.toContain('shard');
});
