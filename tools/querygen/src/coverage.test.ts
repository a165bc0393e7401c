/** Protects: a campaign in which nothing was cut, or nothing came from a cache, must not pass for one. */
import { Coverage } from './coverage.ts';
import { layouts } from './layouts.ts';
import { routesFor } from './routes.ts';

const routes = routesFor({ splitMs: 60_000, partBytes: 1, shards: 3, strategy: 'bounded' });
const stored = layouts.find(({ name }) => name === 'compacted')!;
const happened = { isSplit: true, isSharded: true, isRecalled: true };
const nothing = { isSplit: false, isSharded: false, isRecalled: false };

test('there are all eight routes, each once', () => {
  const kinds = routes.map(({ isSplit, isSharded, isCached }) => `${isSplit} ${isSharded} ${isCached}`);
  expect(new Set(kinds).size).toBe(8);
  expect(new Set(routes.map(({ name }) => name)).size).toBe(8);
  expect(routes[0]).toMatchObject({ isSplit: false, isSharded: false, isCached: false });
});

test('routes that do what they are called lack nothing', () => {
  const coverage = new Coverage();
  for (const route of routes) {
    const { isSplit, isSharded, isCached } = route;
    for (let i = 0; i < 200; i++) {
      coverage.add(stored.name, route, { isSplit, isSharded, isRecalled: isCached });
    }
  }
  expect(coverage.lacking()).toEqual([]);
  expect(coverage.table()).toContain('split 100 %, sharded 100 %, from the cache 100 % of what is stored');
});

test.each(routes.slice(1).map((route) => [route.name, route] as const))('a route %s that never cuts or caches is reported', (_, route) => {
  const coverage = new Coverage();
  for (let i = 0; i < 200; i++) coverage.add(stored.name, route, nothing);
  const ways = Number(route.isSplit) + Number(route.isSharded) + Number(route.isCached);
  expect(coverage.lacking()).toHaveLength(ways);
}); // prettier-ignore

test('a forbidden action of a route is reported at its first occurrence', () => {
  const coverage = new Coverage();
  coverage.add(stored.name, routes[0], happened);
  expect(coverage.lacking()).toHaveLength(3);
});

test('rows that are not where a layout says are told', () => {
  const coverage = new Coverage();
  coverage.addStanding(stored, { headRows: 3, storedRows: 5, compactedRows: 0 });
  expect(coverage.lacking()).toEqual(["'compacted' has 3 rows in heads", "'compacted' has 0 compacted rows"]);
});
