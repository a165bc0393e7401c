import fc from 'fast-check';
import { LokiError } from '@loki/model';
import { cleanedPath, Router } from './router.ts';
import { routes } from './routes.ts';
import type { RouteId } from './routes.ts';
import { parseTenantHeader } from './tenant-resolver.ts';

const router = new Router();
for (const id of Object.keys(routes) as RouteId[]) router.add(id);

test('every route is found by its own path and methods, and by no other method', () => {
  for (const [id, spec] of Object.entries(routes)) {
    const path = spec.path.replace(/:\w+/g, 'x');
    const methods: readonly string[] = 'methods' in spec ? (spec.methods ?? ['PATCH']) : ['PATCH'];
    for (const method of methods) expect(router.find(method, path)?.id).toBe(id);
    if ('methods' in spec && spec.methods) expect(router.find('TRACE', path)).toBeUndefined();
  }
});

const hostileSegment = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '..',
    '%2e%2e',
    '%2F',
    '%',
    '%zz',
    '%ff',
    '__proto__',
    'loki',
    'api',
    'v1',
    'label',
    'values',
    'rules',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const hostilePath = fc.array(hostileSegment, { maxLength: 9 }).map((segments) => `/${segments.join('/')}`);

test('no path breaks the router, and no parameter is empty', () => {
  fc.assert(
    fc.property(hostilePath, fc.constantFrom('GET', 'POST', '__proto__'), (path, method) => {
      const match = router.find(method, path);
      for (const value of match?.params.values() ?? []) if (value === '') return false;
      return true;
    }),
    { numRuns: 1000 },
  );
});

test('a cleaned path is clean, begins with one slash and stays below the root', () => {
  fc.assert(
    fc.property(hostilePath, (path) => {
      const cleaned = cleanedPath(path);
      if (cleaned === undefined) return true;
      return cleaned.startsWith('/') && !cleaned.startsWith('//') && cleanedPath(cleaned) === undefined;
    }),
    { numRuns: 1000 },
  );
});

test('any header is either tenants that are proven or an error of the catalogue', () => {
  const part = fc.oneof(
    fc.constantFrom('a', 'b', '', '.', '..', ':', 'a:b', '|', '||', '__proto__'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      try {
        const { ids, isMulti } = parseTenantHeader(parts.join('|'));
        if (!ids.every((id) => /^[A-Za-z0-9!\-_.*'()]{1,150}$/.test(id))) return false;
        return isMulti || ids.length === 1;
      } catch (error) {
        return error instanceof LokiError && (error.status === 400 || error.status === 401);
      }
    }),
    { numRuns: 1000 },
  );
});
