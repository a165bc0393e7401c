/**
 * Protects what users have: their senders work against a real server of ours as they are, and nothing is lost
 * on the way.
 */
import { execFileSync } from 'node:child_process';
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import pino from 'pino';
import winston from 'winston';
import LokiTransport from 'winston-loki';
import { TestServer } from './test/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.dispose());

test('winston-loki stores its lines', async () => {
  const transport = new LokiTransport({
    host: server.url,
    labels: { app: 'winston' },
    json: true,
    batching: false,
  });
  const logger = winston.createLogger({ transports: [transport] });
  logger.info('first from winston');
  logger.error('second from winston', { code: 7 });
  await expectLines('{app="winston"}', ['first from winston', 'second from winston']);
  await transport.close();
});

test('pino-loki stores its lines', async () => {
  const transport = pino.transport({
    target: 'pino-loki',
    options: { host: server.url, labels: { app: 'pino' }, batching: { interval: 0.1 } },
  });
  const logger = pino(transport);
  logger.warn({ user: 'ann' }, 'hello from pino');
  await expectLines('{app="pino"}', ['hello from pino', '"user":"ann"']);
  transport.end();
});

test.each([
  ['protobuf', ProtoExporter],
  ['JSON', JsonExporter],
])('the OpenTelemetry SDK, OTLP as %s', async (name, Exporter) => {
  const exporter = new Exporter({ url: `${server.url}/otlp/v1/logs` });
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': `otel-${name}`, 'host.name': 'h1' }),
    processors: [new BatchLogRecordProcessor({ exporter })],
  });
  provider.getLogger('scope', '1.2').emit({
    body: `body by ${name}`,
    severityNumber: 17,
    severityText: 'ERROR',
    attributes: { 'http.status': 500 },
  });
  await provider.forceFlush();
  const [entry] = await expectLines(`{service_name="otel-${name}"}`, [`body by ${name}`]);
  expect(entry.labels).toMatchObject({
    service_name: `otel-${name}`,
    host_name: 'h1',
    http_status: '500',
    severity_text: 'ERROR',
    detected_level: 'error',
    scope_name: 'scope',
  });
  await provider.shutdown();
});

test('curl', async () => {
  const body = JSON.stringify({
    streams: [{ stream: { app: 'curl' }, values: [[`${BigInt(Date.now()) * 1_000_000n}`, 'hello by curl']] }],
  });
  const status = execFileSync('curl', [
    '-s',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    `${server.url}/loki/api/v1/push`,
    '-H',
    'Content-Type: application/json',
    '-d',
    body,
  ]).toString();
  expect(status).toBe('204');
  const answer = execFileSync('curl', [
    '-s',
    '-G',
    `${server.url}/loki/api/v1/query_range`,
    '--data-urlencode',
    'query={app="curl"} |= "hello"',
  ]).toString();
  expect(JSON.parse(answer).data.result[0].values[0][1]).toBe('hello by curl');
});

/** Waits until each of `texts` stands in some line of the answer. */
async function expectLines(query: string, texts: readonly string[]) {
  for (let attempt = 0; ; attempt++) {
    const found = await server.lines(query);
    const isComplete = texts.every((text) => found.some(({ line }) => line.includes(text)));
    if (isComplete) return found;
    if (attempt === 100) throw new Error(`${query}: ${JSON.stringify(found.map(({ line }) => line))}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
