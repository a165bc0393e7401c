/** What clients see of a process that is told to stop while load balancers still send them to it. */
import { TestServer } from './test/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start(['-server.shutdown-delay=2s']);
}, 30_000);

afterAll(() => server.dispose());

test('it is not ready at once, and serves on for the delay', async () => {
  const ended = server.stop();
  for (;;) {
    const ready = await fetch(`${server.url}/ready`);
    if (ready.status === 503) break;
    await ready.text();
  }
  const values = [[`${Date.now()}000000`, 'late']];
  const push = await fetch(`${server.url}/loki/api/v1/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ streams: [{ stream: { app: 'shutdown' }, values }] }),
  });
  expect(push.status).toBe(204);
  const query = new URLSearchParams({ query: '{app="shutdown"}' });
  const answer = await fetch(`${server.url}/loki/api/v1/query_range?${query.toString()}`);
  expect(await answer.text()).toContain('late');
  expect(await ended).toBe(0);
  await expect(fetch(`${server.url}/ready`)).rejects.toThrow();
}, 30_000);
