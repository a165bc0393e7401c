/** Protects `lokictl top` against one real process: it tells who uses it, and who is near a limit. */
import { lokictl } from './test/lokictl.ts';
import { TestServer } from './test/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start([
    '-auth.enabled=true',
    '-ingester.max-global-streams-per-user=10',
    '-ingester.lifecycler.ID=one',
  ]);
});
afterAll(() => server?.dispose());

test('the page names the process, its tenants, its partition and a tenant near its limit', async () => {
  for (const tenant of ['large', 'small']) {
    const streams = Array.from({ length: tenant === 'large' ? 9 : 1 }, (_, i) => ({
      stream: { app: `app-${i}` },
      values: [[`${Date.now()}000000`, 'a line']],
    }));
    const { status } = await server.push({ streams }, { 'x-scope-orgid': tenant });
    expect(status).toBe(204);
  }
  const page = await lokictl('top', '--once', '--interval', '0.5', '--by', 'streams', '--addr', server.url);
  expect(page).toContain('tenant large: 9 streams of 10');
  expect(page).toMatch(/\none +all /);
  expect(page).toMatch(/\nlarge .*\nsmall /);
  expect(page).toMatch(/\n +0 +one /);
  for (const line of page.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
});
