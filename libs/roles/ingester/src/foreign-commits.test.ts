/**
 * Protects acknowledged lines from a second process whose own write log counts the same offsets of one object
 * store.
 */
import type { LokiError } from '@loki/model';
import type { Row } from './test/records.ts';
import { World } from './test/world.ts';

const row = (ms: number, line = `line ${ms}`): Row => ({
  app: 'x',
  ns: 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n,
  line,
});

/** A manifest of another log over the same offsets. */
const foreign = (startOffset: number, endOffset: number) => ({
  startOffset,
  endOffset,
  writers: [['f'.repeat(32), endOffset]] as const,
});

/** An ingester whose process alone may write the log. */
async function exclusive(world: World) {
  const conflicts: LokiError[] = [];
  const onForeignCommit = (error: LokiError) => void conflicts.push(error);
  return { conflicts, ingester: await world.ready({}, { onForeignCommit }) };
}

describe('another log’s manifests at offsets of ours', () => {
  test.each([
    ['the same ones', 0, 2],
    ['some of them', 0, 1],
    ['more than we have', 0, 7],
  ])('are fatal and drop nothing: %s', async (_, start, end) => {
    const world = await World.open();
    const { conflicts, ingester } = await exclusive(world);
    await world.append([row(1)]);
    await world.append([row(2)]);
    await world.commits.commit(foreign(start, end));
    await expect(world.do(ingester.flush())).rejects.toThrow('another process with a write log of its own');
    expect(conflicts[0].message).toContain(`partition 0`);
    expect(world.counted.lost).toBe(0);
    expect(await world.headLines(ingester)).toEqual(['line 1', 'line 2']);
  });

  test('and the next start appends the records anew, once, whatever it is interrupted by', async () => {
    const world = await World.open();
    const { ingester } = await exclusive(world);
    for (let i = 0; i < 5; i++) await world.append([row(i)]);
    await world.commits.commit(foreign(0, 3));
    await world.do(ingester.stop());
    for (let restart = 0; restart < 3; restart++) {
      const { ingester: next, conflicts } = await exclusive(world);
      expect(await world.headLines(next)).toEqual([0, 1, 2, 3, 4].map((i) => `line ${i}`));
      expect(conflicts).toEqual([]);
      await world.do(next.stop());
    }
    const { ingester: last } = await exclusive(world);
    await world.do(last.flush());
    expect(world.storedRows()).toHaveLength(5);
    await world.do(last.stop());
    const { ingester: again } = await exclusive(world);
    expect(await world.headLines(again)).toEqual([]);
  });

  test('commits of all records of this owner cost it no row', async () => {
    const world = await World.open();
    const { ingester } = await exclusive(world);
    await world.append([row(1)]);
    await world.commits.commit(foreign(0, 1));
    await world.do(ingester.stop());
    const { ingester: next } = await exclusive(world);
    expect(await world.headLines(next)).toEqual(['line 1']);
  });

  test('beyond the end of our log end a start: the next records would get offsets that count as committed', async () => {
    const world = await World.open();
    await world.append([row(1)]);
    await world.commits.commit(foreign(0, 2));
    const conflicts: LokiError[] = [];
    const ingester = world.ingester({}, { onForeignCommit: (error) => void conflicts.push(error) });
    await world.pass(1_000);
    expect(conflicts).toHaveLength(1);
    expect(ingester.isReady()).toBe(false);
  });

  test('a manifest of our own whose answer was lost is none of them', async () => {
    const world = await World.open();
    const { conflicts, ingester } = await exclusive(world);
    await world.append([row(1)]);
    world.commits.losesAnswer = true;
    await world.do(ingester.flush());
    expect(conflicts).toEqual([]);
    expect(world.storedRows()).toHaveLength(1);
  });

  test('of a log that owners share are what another owner flushed: as ever', async () => {
    const world = await World.open();
    const ingester = await world.ready();
    await world.append([row(1)]);
    await world.commits.commit({ startOffset: 0, endOffset: 1, writers: [['0'.repeat(32), 1]] });
    await world.do(ingester.flush());
    expect(world.counted.lost).toBe(1);
  });
});
