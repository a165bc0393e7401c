/** Caches that no task reads are dropped once, and caches in use stay. */
import { IdleCaches } from './idle-caches.ts';

const idleMs = 40_000;

/** Caches whose time a test moves on by checks. */
function newCaches() {
  let check: (() => void) | undefined;
  let checkEveryMs = Infinity;
  let drops = 0;
  const every = (ms: number, run: () => void) => {
    checkEveryMs = ms;
    check = run;
  };
  const caches = new IdleCaches(idleMs, () => drops++, every);
  const passMs = (ms: number) => {
    for (let at = checkEveryMs; at <= ms; at += checkEveryMs) check!();
  };
  return { caches, passMs, drops: () => drops };
}

test('caches that were not read for the idle time are dropped once', () => {
  const { caches, passMs, drops } = newCaches();
  expect(caches.get('engine')).toBeUndefined();
  caches.set('engine', 'blocks');
  passMs(idleMs);
  expect(caches.get('engine')).toBe('blocks');
  passMs(1.5 * idleMs);
  expect(caches.size).toBe(0);
  expect(drops()).toBe(1);
  passMs(10 * idleMs);
  expect(drops()).toBe(1);
});

test('caches that a task reads now and then stay', () => {
  const { caches, passMs, drops } = newCaches();
  caches.set('engine', 'blocks');
  for (let each = 0; each < 20; each++) {
    passMs(0.75 * idleMs);
    expect(caches.get('engine')).toBe('blocks');
  }
  expect(drops()).toBe(0);
});

test('without an idle time nothing is dropped', () => {
  let checks = 0;
  const caches = new IdleCaches(
    0,
    () => undefined,
    () => checks++,
  );
  caches.set('engine', 'blocks');
  expect([checks, caches.get('engine')]).toEqual([0, 'blocks']);
});
