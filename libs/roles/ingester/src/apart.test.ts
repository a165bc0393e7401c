/** Comparing the rows of one tenant may take long: records of others enter the head meanwhile. */
import { parseTenantId } from '@loki/model';
import type { LogLeafResult, TailFrame } from '@loki/ports';
import type { CommittedSegments } from './dedupe/committed-rows.ts';
import type { Ingester } from './ingester.ts';
import { rowText } from './test/records.ts';
import type { Row } from './test/records.ts';
import { everything, linesOf, World } from './test/world.ts';

const ns = (ms: number) => 1_700_000_000_000_000_000n + BigInt(ms) * 1_000_000n;
const row = (tenant: string, ms: number, line = `line ${ms} of ${tenant}`): Row => ({
  tenant,
  app: 'x',
  ns: ns(ms),
  line,
});

/** A world in which rows of `slow` that reach back to flushed time are compared for as long as `isHeld`. */
async function slowWorld() {
  const world = await World.open();
  const held = { isHeld: false };
  const committed: CommittedSegments = {
    keys: async (_, offset, { tenant }) => {
      while (held.isHeld && tenant === 'slow') await world.passing(50);
      return world.commits.entries.flatMap(({ segment, endOffset }) =>
        segment && endOffset <= offset ? [segment.key] : [],
      );
    },
  };
  const start = () => world.ready({}, { committed });
  const ingester = await start();
  const before = [row('slow', 10), row('a', 10)];
  await world.append(before);
  await world.do(ingester.flush());
  return { world, held, ingester, start, before };
}

async function linesIn(world: World, ingester: Ingester, tenant: string): Promise<string[]> {
  const request = everything({ tenant: parseTenantId(tenant) });
  const answer = await world.do(ingester.queryHead(0, request));
  return linesOf(answer.result as LogLeafResult);
}

test('a tenant reads what it wrote while rows of another before them are compared', async () => {
  const { world, held, ingester } = await slowWorld();
  held.isHeld = true;
  await world.append([row('slow', 5)]);
  await world.pass(100);
  await world.append([row('slow', 6), row('a', 20), row('b', 20)]);
  await world.append([row('a', 30)]);
  expect(await linesIn(world, ingester, 'a')).toEqual(['line 20 of a', 'line 30 of a']);
  expect(await linesIn(world, ingester, 'b')).toEqual(['line 20 of b']);
  let isAnswered = false;
  const own = ingester.queryHead(0, everything({ tenant: parseTenantId('slow') })).finally(() => {
    isAnswered = true;
  });
  await world.pass(500);
  expect(isAnswered).toBe(false);
  held.isHeld = false;
  const { result } = await world.do(own);
  expect(linesOf(result as LogLeafResult)).toEqual(['line 5 of slow', 'line 6 of slow']);
});

test('no flush passes a record of which rows are still compared, and each row is stored once', async () => {
  const { world, held, ingester, before } = await slowWorld();
  const rows = [row('slow', 5), row('slow', 6), row('a', 20), row('slow', 10), row('a', 30), row('a', 5)];
  held.isHeld = true;
  await world.append([rows[0]]);
  await world.pass(100);
  await world.append([rows[1], rows[2], rows[3]]);
  await world.append([rows[4]]);
  await world.append([rows[5], row('a', 20)]);
  const flushed = ingester.flush();
  await world.pass(2_000);
  expect(world.commits.entries.at(-1)!.endOffset).toBe(1);
  held.isHeld = false;
  await world.do(flushed);
  expect(world.commits.entries.at(-1)!.endOffset).toBe(5);
  // Of `slow`, the row at 10 is a repeat of one that is stored; of `a`, that at 20 of one in the head.
  const expected = [...before, rows[0], rows[1], rows[2], rows[4], rows[5]].map((each) => rowText(each));
  expect(world.storedRows().sort()).toEqual(expected.sort());
  expect(world.counted.duplicates).toBe(2);
});

test('an owner that ends meanwhile loses nothing to the next', async () => {
  const { world, held, ingester, start, before } = await slowWorld();
  held.isHeld = true;
  const rows = [row('slow', 5), row('slow', 6), row('a', 20)];
  await world.append([rows[0]]);
  await world.pass(100);
  await world.append([rows[1], rows[2]]);
  await world.pass(100);
  const stopped = ingester.stop();
  await world.pass(100);
  held.isHeld = false;
  await world.do(stopped);
  const next = await start();
  await world.do(next.flush());
  const expected = [...before, ...rows].map((each) => rowText(each));
  expect(world.storedRows().sort()).toEqual(expected.sort());
});

test('a tail has each line once, in the order of its tenant', async () => {
  const { world, held, ingester } = await slowWorld();
  const stop = new AbortController();
  const follow = (tenant: string) => {
    const lines: string[] = [];
    const frames = ingester.tail(0, everything({ tenant: parseTenantId(tenant) }), stop.signal);
    const read = async () => {
      for await (const { result } of frames as AsyncIterable<TailFrame>) {
        lines.push(...linesOf(result as LogLeafResult));
      }
    };
    void read().catch(() => undefined);
    return lines;
  };
  const ofA = follow('a');
  const ofSlow = follow('slow');
  await world.pass(10);
  held.isHeld = true;
  await world.append([row('slow', 5)]);
  await world.pass(100);
  await world.append([row('slow', 6), row('a', 20)]);
  await world.append([row('a', 30)]);
  await world.pass(100);
  expect(ofA).toEqual(['line 20 of a', 'line 30 of a']);
  expect(ofSlow).toEqual([]);
  held.isHeld = false;
  await world.append([row('a', 40), row('slow', 40)]);
  await world.pass(500);
  expect(ofA).toEqual(['line 20 of a', 'line 30 of a', 'line 40 of a']);
  expect(ofSlow).toEqual(['line 5 of slow', 'line 6 of slow', 'line 40 of slow']);
  stop.abort();
  await world.pass(10);
});

test('a head that one tenant has filled takes rows of others until it is flushed', async () => {
  const world = await World.open();
  const ingester = await world.ready({ headBytesPartitionMax: 16_384, readBytesMax: 4_096 });
  world.commits.isDown = true;
  const noise = (i: number) => Buffer.from(String(i * 7919).repeat(40)).toString('base64');
  let ms = 0;
  for (let i = 0; i < 40; i++) {
    const rows = Array.from({ length: 5 }, () => row('big', ++ms, noise(ms)));
    await world.append(rows);
  }
  await world.append([row('a', 1)]);
  await world.pass(200);
  const [status] = await world.do(ingester.status());
  expect(status.consumedOffset).toBeLessThan(40);
  expect(await linesIn(world, ingester, 'a')).toEqual(['line 1 of a']);
  let isAnswered = false;
  const own = ingester.queryHead(0, everything({ tenant: parseTenantId('big') })).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await world.pass(500);
  expect(isAnswered).toBe(false);
  world.commits.isDown = false;
  await world.do(own);
  await world.do(ingester.flush());
  expect(world.storedRows()).toHaveLength(201);
});
