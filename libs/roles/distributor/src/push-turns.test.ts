import { NodeTimers } from '@loki/runtime';
import { PushTurns } from './push-turns.ts';
import { StoppedClock } from './test/distributor.ts';

test('pushes that come together share a turn until it is long, then each has its own', async () => {
  const clock = new StoppedClock(0);
  const timers = new NodeTimers();
  const turns = new PushTurns({ clock, timers });
  const log: string[] = [];
  const push = async (name: string): Promise<void> => {
    const turn = turns.wait();
    if (turn) await turn;
    await turns.run(async () => {
      clock.ms += 6;
      log.push(name);
    });
  };
  const pushes = ['a', 'b', 'c', 'd'].map((name) => push(name));
  expect(log).toEqual(['a', 'b']);
  await timers.sleep(0);
  await pushes[2];
  expect(log).toEqual(['a', 'b', 'c']);
  await Promise.all(pushes);
  expect(log).toEqual(['a', 'b', 'c', 'd']);
});

test('a turn that is over counts no more', async () => {
  const clock = new StoppedClock(0);
  const timers = new NodeTimers();
  const turns = new PushTurns({ clock, timers });
  await turns.run(async () => {
    clock.ms += 50;
  });
  expect(turns.wait()).toBeDefined();
  await timers.sleep(5);
  expect(turns.wait()).toBeUndefined();
});
