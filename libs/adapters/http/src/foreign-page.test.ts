/** Protects an operator whose browser shows a page of another site: that page shuts nothing down. */
import { textResponse } from '@loki/ports';
import type { RouteId } from './routes.ts';
import { raw, send, start, stopAll } from './test/server.ts';

afterEach(stopAll);

const changing = [
  ['flush', 'GET', '/flush'],
  ['flush', 'POST', '/flush'],
  ['ingesterShutdown', 'GET', '/ingester/shutdown'],
  ['logLevel', 'POST', '/log_level'],
  ['ring', 'POST', '/ring'],
  ['prepareShutdown', 'DELETE', '/ingester/prepare_shutdown'],
  ['deletes', 'POST', '/loki/api/v1/delete'],
  ['deletes', 'DELETE', '/loki/api/v1/delete'],
  ['rulesNamespace', 'POST', '/loki/api/v1/rules/n'],
] as const satisfies readonly (readonly [RouteId, string, string])[];

const reading = [
  ['ring', 'GET', '/ring'],
  ['config', 'GET', '/config'],
  ['query', 'POST', '/loki/api/v1/query'],
  ['rules', 'GET', '/loki/api/v1/rules'],
] as const satisfies readonly (readonly [RouteId, string, string])[];

/** Of pages of other sites, then of the server's own, of an address that was typed, and of no browser. */
const foreign: Record<string, string>[] = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
];
const own = (port: number): Record<string, string>[] => [
  { 'sec-fetch-site': 'same-origin', origin: `http://127.0.0.1:${port}` },
  { 'sec-fetch-site': 'none' },
  {},
];

async function statuses(
  [id, method, path]: readonly [RouteId, string, string],
  headersOf: (port: number) => Record<string, string>[],
): Promise<number[]> {
  const { port } = await start((server) => server.handle(id, () => textResponse('done')));
  const answers = headersOf(port).map((headers) => send(port, path, { method, headers }));
  return (await Promise.all(answers)).map(({ status }) => status);
}

test.each(changing)('%s, %s %s: not for pages of other sites', async (...route) => {
  expect(await statuses(route, () => foreign)).toEqual([403, 403, 403, 403]);
  expect(await statuses(route, own)).toEqual([200, 200, 200]);
});

test.each(reading)('%s, %s %s changes nothing, and is answered', async (...route) => {
  expect(await statuses(route, () => foreign)).toEqual([200, 200, 200, 200]);
});

test('a request with two Host headers is refused', async () => {
  const { port } = await start((server) => server.handle('ready', () => textResponse('ready')));
  const request = (hosts: string) => `GET /ready HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`;
  expect(await raw(port, request('Host: a\r\nhost: b\r\n'))).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(port, request('Host: a\r\nHost: a\r\n'))).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(port, request('Host: a\r\n'))).toMatch(/^HTTP\/1.1 200 /);
});
