/**
 * Protects what a run means: its seed decides the faults, every kind comes, and failures of clients are
 * counted.
 */
import { Prng } from '@loki/virtual';
import { drawRounds, faults } from './faults.ts';
import { recoveryTable } from './recovery.ts';
import { scenarios } from './scenarios.ts';
import { Watch } from './watch.ts';

const draw = (seed: string | number, rounds: number, kinds = faults, atOnce?: number) =>
  drawRounds(new Prng(seed), kinds, atOnce).take(rounds).toArray();

const kindsOf = (seed: string, rounds: number) =>
  draw(seed, rounds).map((drawn) => drawn.map(({ kind }) => kind));

test('a seed decides the faults', () => {
  expect(kindsOf('7', 40)).toEqual(kindsOf('7', 40));
  expect(kindsOf('7', 40)).not.toEqual(kindsOf('8', 40));
});

test('every kind comes before any comes again, and two of a round take nothing from the same group', () => {
  for (let seed = 0; seed < 50; seed++) {
    const rounds = draw(seed, 2 * faults.length);
    const first = rounds
      .flat()
      .slice(0, faults.length)
      .map(({ kind }) => kind);
    // The last of a deck may have to wait for the next one when all that is left takes from the same group.
    expect(new Set(first).size).toBeGreaterThanOrEqual(faults.length - 1);
    expect(new Set(rounds.flat().map(({ kind }) => kind)).size).toBe(faults.length);
    for (const [one, other] of rounds) expect(one.group).not.toBe(other?.group);
    expect(rounds.some((drawn) => drawn.length === 2)).toBe(true);
  }
});

test('one kind alone makes rounds of one fault', () => {
  const only = faults.filter(({ kind }) => kind === 'kill-ingester');
  expect(draw(1, 5, only).map((drawn) => drawn.length)).toEqual([1, 1, 1, 1, 1]);
});

test('so many at once are of as many groups, in every round', () => {
  const kills = faults.filter(({ kind }) => scenarios.acked.kinds.includes(kind));
  for (const drawn of draw(3, 20, kills, scenarios.acked.atOnce)) {
    expect(new Set(drawn.map(({ group }) => group)).size).toBe(6);
  }
});

test.each(Object.entries(scenarios))('the kinds of the scenario %s exist', (_, { kinds }) => {
  expect(kinds.filter((kind) => !faults.some((fault) => fault.kind === kind))).toEqual([]);
});

test('requests are told apart: answered at once, at a repeat, not at all', () => {
  const watch = new Watch();
  const failure = { status: 503, text: 'away', address: 'http://a' };
  const told = { kind: 'push' as const, isOk: true, beganMs: 100, endedMs: 200, failures: [] };
  watch.add(told);
  watch.add({ ...told, endedMs: 900, failures: [failure] });
  watch.add({ ...told, isOk: false, failures: [failure, failure] });
  watch.add({ ...told, kind: 'query', endedMs: 5_000 });
  watch.add({ ...told, beganMs: 0, endedMs: 50 });
  expect(watch.stretch('push', 100)).toEqual({ count: 3, repeated: 1, failed: 1, slowestMs: 800 });
  expect(watch.failures('push', 100)).toEqual(['http://a 503 away | http://a 503 away']);
  expect(watch.lastFailureMs(100)).toBe(900);
  expect(watch.lastFailureMs(901)).toBeUndefined();
  expect(watch.clean('push', 100)).toBe(1);
  watch.forget(1_000);
  expect(watch.stretch('query', 0).count).toBe(1);
  expect(watch.stretch('push', 0).count).toBe(0);
});

test('the table has a line for each kind, with the median and the worst', () => {
  const stretch = { count: 9, repeated: 2, failed: 0, slowestMs: 1_500 };
  const recovery = {
    kind: 'kill-querier',
    seconds: 1,
    pushes: stretch,
    queries: { ...stretch, repeated: 7 },
  };
  const text = recoveryTable([
    recovery,
    { ...recovery, seconds: 9 },
    { ...recovery, seconds: 2 },
    { ...recovery, kind: 'stop-redis', seconds: 0 },
  ]);
  const lines = text.split('\n').map((line) => line.trim().split(/ {2,}/));
  expect(lines[1]).toEqual(['kill-querier', '3', '2.0', '9.0', '2', '1.5', '7', '1.5']);
  expect(lines[2]).toEqual(['stop-redis', '1', '0.0', '0.0', '2', '1.5', '7', '1.5']);
});
