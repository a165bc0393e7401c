/**
 * Protects other clients from a tail that does not read: the process buffers little for it, and reports the
 * dropped lines.
 */
import WebSocket from 'ws';
import { goQuery } from './test/raw-client.ts';
import { TestServer } from './test/server.ts';

const pushes = 15;
const linesOfPush = 2000;
const lineBytes = 1000;
let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start([
    '-distributor.ingestion-rate-limit-mb=1000',
    '-distributor.ingestion-burst-size-mb=1000',
    '-ingester.per-stream-rate-limit=1GB',
    '-ingester.per-stream-rate-limit-burst=1GB',
  ]);
});
afterAll(() => server.dispose());

/** Random, so that nothing compresses: what is kept for the follower counts in compressed bytes. */
function randomLines(push: number): string[] {
  return Array.from({ length: linesOfPush }, (_, i) => {
    let line = `${push}/${i} `;
    while (line.length < lineBytes) line += Math.random().toString(36).slice(2);
    return line;
  });
}

async function pushLines(push: number): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n;
  const values = randomLines(push).map((line, i) => [`${now + BigInt(i)}`, line]);
  expect((await server.push({ streams: [{ stream: { app: 'a' }, values }] })).status).toBe(204);
}

test('a follower that reads nothing costs little, and is told what it missed', async () => {
  const query = goQuery({ query: '{app="a"}' });
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/loki/api/v1/tail?${query}`);
  let lines = 0;
  let dropped = 0;
  let last = '';
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as {
      streams: { values: [string, string][] }[];
      dropped_entries?: unknown[];
    };
    lines += frame.streams.length;
    last = frame.streams.at(-1)?.values.at(-1)?.[1] ?? last;
    dropped += frame.dropped_entries?.length ?? 0;
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  // Until it surely follows.
  await pushLines(0);
  await server.eventually(() => lines > 0);
  socket.pause();
  for (let push = 1; push <= pushes; push++) await pushLines(push);
  // It delays no other client.
  expect(await server.lines('{app="a"} |= "15/1999 "')).toHaveLength(1);
  socket.resume();
  await server.eventually(() => dropped > 0);
  // It follows again: lines that come now reach it.
  await pushLines(pushes + 1);
  await server.eventually(() => last.startsWith(`${pushes + 1}/${linesOfPush - 1} `));
  // The rest was kept for it: in the network's buffers, one message, and the ingester's megabyte.
  expect(lines).toBeLessThan((pushes + 2) * linesOfPush);
  expect((lines - linesOfPush) * lineBytes).toBeLessThan(20_000_000);
  socket.terminate();
});
