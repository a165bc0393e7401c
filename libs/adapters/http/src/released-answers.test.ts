/** Protects memory that handlers hold for an answer: they hear when it has left, or will never. */
import { connect } from 'node:net';
import { eventually } from '@loki/test-tools';
import { send, start, stopAll } from './test/server.ts';

afterEach(stopAll);

/** Answers that are handed out and not released. */
async function startCounting(body: Buffer, until: Promise<void> = Promise.resolve()) {
  let held = 0;
  const { port } = await start((server) =>
    server.handle('query', async () => {
      held++;
      await until;
      return { status: 200, body, release: () => held-- };
    }),
  );
  return { port, held: () => held };
}

function ask(port: number) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause().write('GET /loki/api/v1/query HTTP/1.1\r\nHost: x\r\n\r\n');
  return socket;
}

const large = Buffer.alloc(32 << 20, 'x');

test('an answer that was read is released, once', async () => {
  const { port, held } = await startCounting(Buffer.from('text'));
  for (let i = 0; i < 3; i++) expect((await send(port, '/loki/api/v1/query')).status).toBe(200);
  await eventually(() => held() === 0);
});

test('an answer that nobody reads is held, until its client is gone', async () => {
  const { port, held } = await startCounting(large);
  const socket = ask(port);
  await eventually(() => held() >= 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(held()).toBe(1);
  socket.destroy();
  await eventually(() => held() === 0);
});

test('an answer whose client went away before it was made is released', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { port, held } = await startCounting(large, promise);
  const socket = ask(port);
  await eventually(() => held() >= 1);
  socket.destroy();
  await new Promise((later) => setTimeout(later, 100));
  resolve();
  await eventually(() => held() === 0);
});
