/** Protects: patterns are an extra; they neither hold up nor break what they look at. */
import { parseTenantId } from '@loki/model';
import type { Task, Workers } from '@loki/ports';
import { PatternIngester } from './pattern-ingester.ts';
import type { PatternSource } from './pattern-ingester.ts';
import { encodeRows } from './test/records.ts';
import { silentLogger, World } from './test/world.ts';

const noPatternMetrics = {
  patternsDetected() {},
  linesSkipped() {},
  memory() {},
};

/** Runs tasks when told to. */
class HeldWorkers implements Workers {
  readonly parallelism = 1;
  readonly #held: (() => void)[] = [];
  failure: Error | undefined;

  async run<Input, Output>(task: Task<Input, Output>, input: Input): Promise<Output> {
    await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.failure) throw this.failure;
    return task.run(input, undefined as never);
  }

  /** Lets `count` tasks run, one after the other. */
  async release(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      while (this.#held.length === 0) await Promise.resolve();
      this.#held.shift()!();
    }
  }

  async close(): Promise<void> {}
}

const tenant = parseTenantId('t');
const request = { tenant, selector: '{app="a"}', startNs: 0n, endNs: 1n << 62n, stepNs: 0n };

function record(line: string) {
  return {
    bytes: encodeRows([{ tenant: 't', app: 'a', ns: 1_700_000_000_000_000_000n, line }]),
    rowCount: 1,
  };
}

test('records that find no room are left out and counted; the others are looked at in their order', async () => {
  const workers = new HeldWorkers();
  let busy = 0;
  const metrics = { ...noPatternMetrics, linesSkipped: (_: string, lines: number) => void (busy += lines) };
  const one = record('one');
  const patterns = new PatternIngester(
    { workers, logger: silentLogger, metrics },
    { pendingBytesMax: one.bytes.length * 2 },
  );
  for (const each of [one, record('two'), record('three')]) patterns.offer(each);
  expect(busy).toBe(1);
  await Promise.all([workers.release(2), patterns.idle()]);
  const found = await patterns.patterns(request);
  expect(found.map(({ pattern }) => pattern)).toEqual(['one', 'two']);
  patterns.offer(record('four'));
  await Promise.all([workers.release(1), patterns.idle()]);
  expect(await patterns.patterns(request)).toHaveLength(3);
});

test('a record that cannot be read is left out, and the next one is looked at', async () => {
  const workers = new HeldWorkers();
  const patterns = new PatternIngester({ workers, logger: silentLogger, metrics: noPatternMetrics });
  workers.failure = new Error('no');
  patterns.offer(record('one'));
  await Promise.all([workers.release(1), patterns.idle()]);
  workers.failure = undefined;
  patterns.offer(record('two'));
  await Promise.all([workers.release(1), patterns.idle()]);
  expect(await patterns.patterns({ ...request, selector: '' })).toMatchObject([{ pattern: 'two' }]);
  expect(await patterns.patterns({ ...request, selector: '{app="b"}' })).toEqual([]);
});

test.each([true, false])('an ingester tells of each record once, when it leads: %s', async (leads) => {
  const world = await World.open();
  const offered: number[] = [];
  const patterns = { offer: ({ rowCount }: PatternSource) => void offered.push(rowCount) };
  const ingester = await world.ready({}, { isLeader: () => leads, patterns });
  await world.append([{ app: 'a', ns: 1n, line: 'x' }]);
  await world.append([{ app: 'a', ns: 1n, line: 'x' }]);
  await world.append([{ app: 'a', ns: 2n, line: 'y' }]);
  await world.pass(1000);
  expect(offered).toEqual(leads ? [1, 1] : []);
  await world.do(ingester.stop());
});
