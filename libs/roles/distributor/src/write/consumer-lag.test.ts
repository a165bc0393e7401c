/** Protects: a tenant with many pending records waits for the head, and others do not. */
import { parseTenantId } from '@loki/model';
import type { TimerHandle, Timers } from '@loki/ports';
import { StoppedClock } from '../test/distributor.ts';
import { ConsumerLag } from './consumer-lag.ts';

const tenant = parseTenantId('a');
const neighbour = parseTenantId('b');
/** More than a tenant may have on its way. */
const large = 150_000;

class HandTimers implements Timers {
  readonly #callbacks = new Set<() => void>();
  after(_delayMs: number, callback: () => void): TimerHandle {
    this.#callbacks.add(callback);
    return { cancel: () => this.#callbacks.delete(callback) };
  }
  sleep(): never {
    throw new Error('not needed');
  }
  fire(): void {
    for (const callback of Array.from(this.#callbacks)) callback();
  }
}

function setup() {
  const clock = new StoppedClock(1_000);
  const timers = new HandTimers();
  return { clock, timers, lag: new ConsumerLag({ clock, timers }) };
}

/** Whether it resolves without anything else happening. */
async function isOver(promise: Promise<void>): Promise<boolean> {
  let over = false;
  void promise.then(() => {
    over = true;
  });
  for (let i = 0; i < 20; i++) await Promise.resolve();
  return over;
}

test('a tenant with much on its way waits until the head has it; others do not', async () => {
  const { lag } = setup();
  expect(lag.room(tenant)).toBeUndefined();
  lag.wrote(tenant, large);
  const room = lag.room(tenant)!;
  expect(await isOver(room)).toBe(false);
  expect(lag.room(neighbour)).toBeUndefined();
  lag.appended(1, 7, new Map([[tenant, large]]));
  lag.consumed(1, 7);
  expect(await isOver(room)).toBe(false);
  lag.consumed(1, 8);
  expect(await isOver(room)).toBe(true);
  expect(lag.room(tenant)).toBeUndefined();
});

test('rows that the head has before the log has answered are not waited for', () => {
  const { lag } = setup();
  lag.wrote(tenant, large);
  lag.consumed(0, 4);
  lag.appended(0, 3, new Map([[tenant, large]]));
  expect(lag.room(tenant)).toBeUndefined();
});

test('rows that the log did not take are not waited for', () => {
  const { lag } = setup();
  lag.wrote(tenant, large);
  lag.lost(new Map([[tenant, large]]));
  expect(lag.room(tenant)).toBeUndefined();
});

test('nobody waits for a head that stands still: the log takes all', async () => {
  const { lag, clock, timers } = setup();
  lag.wrote(tenant, large);
  const room = lag.room(tenant)!;
  clock.ms += 999;
  timers.fire();
  expect(await isOver(room)).toBe(false);
  clock.ms += 1;
  timers.fire();
  expect(await isOver(room)).toBe(true);
  expect(lag.room(tenant)).toBeUndefined();
  // It moves on, and still has more than a tenant may have.
  lag.wrote(tenant, 1_000);
  lag.appended(0, 0, new Map([[tenant, 1_000]]));
  lag.consumed(0, 1);
  expect(lag.room(tenant)).toBeDefined();
});

test('a head that takes what the log had at the start counts as standing still', () => {
  const { lag, clock } = setup();
  lag.wrote(tenant, large);
  lag.appended(0, 1_000, new Map([[tenant, large]]));
  for (let offset = 1; offset <= 20; offset++) {
    clock.ms += 100;
    lag.consumed(0, offset);
  }
  expect(lag.room(tenant)).toBeUndefined();
});

test('rows of one tenant are consumed while those of another before them are not', async () => {
  const { lag } = setup();
  lag.wrote(tenant, large);
  lag.appended(0, 1, new Map([[tenant, large]]));
  lag.wrote(neighbour, large);
  lag.appended(0, 2, new Map([[neighbour, large]]));
  const room = lag.room(neighbour)!;
  lag.consumed(0, 3, [neighbour]);
  expect(await isOver(room)).toBe(true);
  expect(lag.room(neighbour)).toBeUndefined();
  expect(lag.room(tenant)).toBeDefined();
});

test('a head that had nothing to do has not stood still', () => {
  const { lag, clock } = setup();
  clock.ms += 60_000;
  lag.wrote(tenant, large);
  expect(lag.room(tenant)).toBeDefined();
});
