/**
 * Protects clients from an empty answer to a query that they did not write: its broken bytes are refused, not
 * replaced.
 */
import { loadHash } from '@loki/model';
import type { HttpRequest } from '@loki/ports';
import { QueryApi } from '../api/query-api.ts';
import { clock, getRequest, tenancyOf, testFrontend, TestQuerier } from './gateway.ts';

beforeAll(loadHash);

const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const api = new QueryApi({ frontend: testFrontend(new TestQuerier(), {}), clock, logger });
const tenancy = tenancyOf('t');

function requestOf(queryText: string): HttpRequest {
  return { ...getRequest({}), queryText };
}

/** The error of each route that runs or shows a query. */
async function errorsOf(queryText: string): Promise<string[]> {
  const request = requestOf(queryText);
  const answers = [
    api.queryRange(request, tenancy),
    api.query(request, tenancy),
    api.legacyQuery(request, tenancy),
  ].map((answer) => answer.then(({ status }) => `status ${status}`, (error: Error) => error.message)); // prettier-ignore
  return [...(await Promise.all(answers)), String((await api.formatQuery(request)).body)];
}

test.each([
  ['%7Bapp="%ff"%7D', 'parse error at line 1, col 6: invalid UTF-8 encoding'],
  ['%7Bapp="a"%7D|="%c3%28"', 'parse error at line 1, col 12: invalid UTF-8 encoding'],
  ['%7Bapp="a"%7D|json|%C5="x"', 'parse error at line 1, col 15: invalid UTF-8 encoding'],
  ['%7Bapp="%ed%a0%80"%7D', 'parse error at line 1, col 6: invalid UTF-8 encoding'],
  ['%ff', 'parse error : invalid UTF-8 encoding'],
])('%s', async (query, message) => {
  const errors = await errorsOf(`query=${query}`);
  expect(errors.slice(0, 3)).toEqual([message, message, message]);
  expect(JSON.parse(errors[3])).toEqual({ status: 'invalid-query', error: message });
});

test('U+FFFD itself is text like any other', async () => {
  const [range] = await errorsOf('query=%7Bapp="%EF%BF%BD"%7D');
  expect(range).toBe('status 200');
});

test('a name that no label has is refused where a query runs, and shown where it is formatted', async () => {
  const errors = await errorsOf(`query=${encodeURIComponent('{app="a"} | \\!=""')}`);
  const message = 'parse error at line 1, col 13: invalid label name "\\\\"';
  expect(errors.slice(0, 3)).toEqual([message, message, message]);
  expect(JSON.parse(errors[3])).toEqual({ status: 'success', data: '{app="a"} | "\\\\"!=""' });
});

test('the regular expression of a legacy query is held to the same', async () => {
  await expect(api.legacyQuery(requestOf('query=%7Bapp="a"%7D&regexp=%ff'), tenancy)).rejects.toThrow(
    'error parsing regexp: invalid UTF-8',
  );
});

test('a legacy query is no longer with its regular expression than one may be', async () => {
  const text = `query=%7Bapp="a"%7D&regexp=${'x'.repeat(200_000)}`;
  await expect(api.legacyQuery(requestOf(text), tenancy)).rejects.toThrow(
    'parse error : input size too long (200009 > 131072)',
  );
});
