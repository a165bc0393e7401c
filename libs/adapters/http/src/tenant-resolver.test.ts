import { LokiError } from '@loki/model';
import type { HttpRequest } from '@loki/ports';
import { parseTenantHeader, TenantResolver } from './tenant-resolver.ts';

const request = (header?: string) =>
  ({ headers: new Map(header === undefined ? [] : [['x-scope-orgid', header]]) }) as unknown as HttpRequest;

function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof LokiError) return `${error.status} ${error.message}`;
    throw error;
  }
  return 'no failure';
}

test.each([
  ['a', ['a'], false],
  ['a:x=1', ['a'], false],
  ['b|a', ['a', 'b'], true],
  ['a|a', ['a'], false],
  ['a|a:meta', ['a'], false],
  ['|a', ['a'], true],
  ['a|', ['a'], true],
  ['a||b', ['a', 'b'], true],
])('the header %j names %j', (header, ids, isMulti) => {
  expect(parseTenantHeader(header)).toEqual({ ids, isMulti });
});

test.each([
  ['', '401 no org id'],
  ['|', '401 no org id'],
  [':x', '401 no org id'],
  ['a/b', "400 tenant ID 'a/b' contains unsupported character '/'"],
  ['good|a/b', "400 tenant ID 'a/b' contains unsupported character '/'"],
  ['a, b', "400 tenant ID 'a, b' contains unsupported character ','"],
  ['..', "400 tenant ID is '.' or '..'"],
  ['x'.repeat(151), '400 tenant ID is too long: max 150 characters'],
  // Bytes of UTF-8, one a character.
  ['a\xc5\xbc', "400 tenant ID 'aż' contains unsupported character 'Å'"],
])('the header %j is refused: %s', (header, text) => {
  expect(failure(() => parseTenantHeader(header))).toBe(text);
});

test('ten thousand tenants in one header are refused before any is looked at', () => {
  const header = Array.from({ length: 10_000 }, (_, i) => `t${i}`).join('|');
  expect(failure(() => parseTenantHeader(header))).toBe('400 too many tenants: max 256');
});

const options = { authEnabled: true, noAuthTenant: 'fake', multiTenantQueriesEnabled: true };

test('with authentication a request without the header is nobody’s', () => {
  const tenants = new TenantResolver(options);
  expect(failure(() => tenants.one(request()))).toBe('401 no org id');
  expect(failure(() => tenants.several(request()))).toBe('401 no org id');
});

test('a write belongs to one tenant, a read to several only where that is on', () => {
  expect(failure(() => new TenantResolver(options).one(request('a|b')))).toBe('400 multiple org IDs present');
  expect(new TenantResolver(options).one(request('a|a:meta'))).toBe('a');
  expect(new TenantResolver(options).several(request('a|b'))).toEqual({ ids: ['a', 'b'], isMulti: true });
  const single = new TenantResolver({ ...options, multiTenantQueriesEnabled: false });
  expect(failure(() => single.several(request('a|b')))).toBe('400 multiple org IDs present');
});

test.each([
  ['a|b/c', '400 multiple org IDs present'],
  ['a/b|c', "400 tenant ID 'a/b' contains unsupported character '/'"],
  ['a|', '400 multiple org IDs present'],
  ['|a', '400 multiple org IDs present'],
  ['|', '401 no org id'],
])('a write as %j is refused: %s', (header, text) => {
  expect(failure(() => new TenantResolver(options).one(request(header)))).toBe(text);
});

test('without authentication the header means nothing, but for the limits endpoints', () => {
  const tenants = new TenantResolver({ ...options, authEnabled: false });
  expect(tenants.one(request('a/b'))).toBe('fake');
  expect(tenants.several(request('a|b'))).toEqual({ ids: ['fake'], isMulti: false });
  expect(failure(() => tenants.oneFromHeader(request()))).toBe('401 no org id');
  expect(tenants.oneFromHeader(request('a'))).toBe('a');
});
