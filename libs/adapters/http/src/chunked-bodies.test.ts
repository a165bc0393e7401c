/**
 * Protects the main thread and its memory from bodies in tiny chunks, each of which has memory of its own.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { textResponse } from '@loki/ports';
import { start, stopAll } from './test/server.ts';

afterEach(stopAll);

const head =
  'POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';

/** The answer to a push whose body comes in these chunks. */
async function answerTo(chunks: readonly string[]): Promise<string> {
  const { port } = await start((server) => {
    server.handle('push', ({ body }) => textResponse(body.toString('latin1')));
  });
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (data) => (text += data.toString('latin1')));
  socket.on('error', () => undefined);
  const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  socket.write(`${head}${body}0\r\n\r\n`);
  await once(socket, 'close');
  return text;
}

test('small and large chunks are one body, in their order', async () => {
  const sizes = [1, 1, 3_000, 1, 500, 1_023, 1_024, ...Array.from({ length: 400 }, (_, i) => i + 1), 2_000];
  const chunks = sizes.map((size, i) => String.fromCharCode(97 + (i % 26)).repeat(size));
  expect((await answerTo(chunks)).endsWith(chunks.join(''))).toBe(true);
});

test('chunks of a line each are taken, and thousands of a byte are refused', async () => {
  const lines = Array.from({ length: 10_000 }, (_, i) => `a line of a client ${String(i).padStart(60)}\n`);
  expect((await answerTo(lines)).endsWith(lines.join(''))).toBe(true);
  const answer = await answerTo(Array.from({ length: 10_000 }, () => 'x'));
  expect(answer).toContain('400 Bad Request');
  expect(answer).toContain('chunks that are too small');
});
