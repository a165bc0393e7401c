/**
 * Protects the trace of a slow query: one tree of spans from the request to the store, so that an operator
 * sees whether a query waited in the queue, scanned, or fetched.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { freePort } from '@loki/test-tools';
import { TestServer } from './test/server.ts';

interface Span {
  readonly id: string;
  readonly parent: string;
  readonly name: string;
}

/** The length-delimited fields with `number` of a protobuf message. */
function fieldsOf(message: Uint8Array, number: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const fields: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === number && wireType === 2) fields.push(reader.bytes());
    else reader.skip(wireType, field);
  }
  return fields;
}

/** Spans of an OTLP `ExportTraceServiceRequest`. */
function spansOf(body: Uint8Array): Span[] {
  const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
  return fieldsOf(body, 1)
    .flatMap((resourceSpans) => fieldsOf(resourceSpans, 2))
    .flatMap((scopeSpans) => fieldsOf(scopeSpans, 2))
    .map((span) => ({
      id: hex(fieldsOf(span, 2)[0]),
      parent: hex(fieldsOf(span, 4)[0]),
      name: Buffer.from(fieldsOf(span, 5)[0]).toString(),
    }));
}

test('a query leaves one tree of spans, from the request over queue and scan to the store', async () => {
  const spans: Span[] = [];
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      spans.push(...spansOf(Buffer.concat(chunks)));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  const server = await TestServer.start([
    `-tracing.otlp-endpoint=http://127.0.0.1:${port}`,
    '-tracing.sampling-ratio=1',
  ]);
  try {
    const ns = `${BigInt(Date.now() - 60_000) * 1_000_000n}`;
    await server.push({ streams: [{ stream: { app: 'traced' }, values: [[ns, 'a slow line']] }] });
    await fetch(`${server.url}/flush`, { method: 'POST' });
    expect(await server.lines('{app="traced"} |= "slow"')).toHaveLength(1);
  } finally {
    // Spans that wait are sent before the process ends.
    await server.dispose();
    collector.close();
  }
  const byId = new Map(spans.map((span) => [span.id, span]));
  const pathOf = (span: Span): string[] => {
    const parent = byId.get(span.parent);
    return parent ? [...pathOf(parent), span.name] : [span.name];
  };
  const paths = spans.map((span) => pathOf(span).join(' > '));
  const request = 'HTTP GET - loki_api_v1_query_range > query > part';
  expect(paths).toEqual(expect.arrayContaining([`${request} > queue`, `${request} > scan > store fetch`]));
});

test('a collector that is away delays the end of a process, and does not make it a failure', async () => {
  const server = await TestServer.start([
    `-tracing.otlp-endpoint=http://127.0.0.1:${await freePort()}`,
    '-tracing.sampling-ratio=1',
  ]);
  try {
    await fetch(`${server.url}/loki/api/v1/labels`);
    expect(await server.stop()).toBe(0);
    expect(server.log()).toContain('the last spans were not sent');
  } finally {
    await server.dispose();
  }
});
