/**
 * Protects: what is deleted or past its time is not answered from that moment on, and then leaves the store.
 */
import { hourNs, parseTenantId } from '@loki/model';
import { openSegment } from '@loki/segment';
import { casesOf } from '@loki/test-tools';
import { epochNs, randomRequest, randomRows, TestWorld } from './test/world.ts';

const hourMs = 3_600_000;
const days = [-3, -2, -1, 0];

async function filled(seed: number): Promise<TestWorld> {
  const world = new TestWorld(seed);
  await world.do(world.reader.refresh());
  for (let i = 0; i < 10; i++) {
    world.append(randomRows(world.random, 40, days));
    if (i % 3 === 2) await world.flush(i % 2);
  }
  return world;
}

function rowsInStore(world: TestWorld, passes: (line: string, ts: bigint) => boolean): number {
  let rows = 0;
  for (const key of world.keys('')) {
    if (!key.startsWith('segments/') && !key.startsWith('compacted/')) continue;
    const segment = openSegment(world.bucket.objects.get(key)!, key);
    for (const section of segment.sections) {
      for (const info of section.blocks) {
        const block = segment.block(section, info.index, 7);
        const [timestamps, lines, ends] = [block.timestamps(), block.lines(), block.lineEnds()];
        for (let row = 0; row < info.rowCount; row++) {
          const line = lines.toString('utf8', row === 0 ? 0 : ends[row - 1], ends[row]);
          if (passes(line, info.baseNs + BigInt(timestamps[row]))) rows++;
        }
      }
    }
  }
  return rows;
}

// Many seeds of whole lives, on machines that are busy.

describe('delete requests', () => {
  test('are left out of answers at once, and carried out after the cancel period', async () => {
    for (let seed = 1; seed <= casesOf({ few: 2, many: 6 }); seed++) {
      const world = await filled(seed);
      const { compactor } = world.compactor({ removesRows: true, cancelPeriodMs: 24 * hourMs });
      await world.do(compactor.runOnce());
      const startMs = Number(epochNs / 1_000_000n) - 60 * hourMs;
      const endMs = startMs + 50 * hourMs;
      const query = '{pod=~"p[123]"} |= "n=1"';
      for (const tenant of ['a', 'b']) {
        await world.do(world.requests.create(tenant, { id: 'r1', query, startMs, endMs, parts: 3 }));
      }
      const hidden = {
        expr: query,
        startNs: BigInt(startMs) * 1_000_000n,
        endNs: BigInt(endMs) * 1_000_000n + 1n,
      };
      const check = async (note: string) => {
        await world.do(world.reader.refresh());
        for (let i = 0; i < 12; i++) {
          const request = randomRequest(world.random);
          const expected = await world.oracle({ ...request, deletes: [hidden] });
          expect(`${note} ${request.expr}\n${await world.ask(request)}`).toBe(
            `${note} ${request.expr}\n${expected}`,
          );
        }
      };
      await check('at once');
      await world.flush(0);
      await world.flush(1);
      await world.do(compactor.runOnce());
      await check('before the cancel period ends');
      const isHidden = (line: string, ts: bigint) =>
        line.includes('n=1') && ts >= hidden.startNs && ts < hidden.endNs;
      expect(rowsInStore(world, isHidden)).toBeGreaterThan(0);
      expect(world.requests.state.request('a', 'r1')).toMatchObject({ partsDone: 0 });
      for (let round = 0; round < 20; round++) {
        await world.pass(3 * hourMs);
        await world.do(compactor.runOnce());
        await check(`round ${round}`);
      }
      await world.do(world.requests.load());
      expect(world.requests.state.request('a', 'r1')).toMatchObject({ partsDone: 3 });
      expect(world.requests.state.request('b', 'r1')?.processedMs).toBeDefined();
      await check('processed');
      expect(world.requests.active('a', hidden.startNs, hidden.endNs)).toEqual([]);
      expect(world.errors).toEqual([]);
    }
  });

  test('wait for what was acknowledged before them to be committed', async () => {
    const world = await filled(3);
    const endOffsets = [100, 0];
    const writeLog = { partitionCount: 2, endOffset: (id: number) => Promise.resolve(endOffsets[id]) };
    const { compactor } = world.compactor({ removesRows: true, cancelPeriodMs: 0 }, { writeLog });
    const endMs = Number(epochNs / 1_000_000n);
    const request = { id: 'r1', query: '{}', startMs: 0, endMs, parts: 1 };
    await world.do(world.requests.create('a', request));
    await world.do(compactor.runOnce());
    await world.do(world.requests.load());
    expect(world.requests.state.request('a', 'r1')).toMatchObject({ partsDone: 0 });
  });
});

describe('retention', () => {
  test('by tenant and by stream: never answered past its time, and gone from the store', async () => {
    for (let seed = 20; seed < 20 + casesOf({ few: 1, many: 4 }); seed++) {
      const world = await filled(seed);
      await world.flush(0);
      await world.flush(1);
      const day = 24 * hourMs;
      world.limits = {
        ...world.limits,
        retentionPeriodMs: 4 * day,
        retentionStreams: [
          { selector: '{app="a1"}', priority: 2, periodMs: 2 * day },
          { selector: '{pod="p4"}', priority: 3, periodMs: 6 * day },
          { selector: '{app=~"a.*"}', priority: 1, periodMs: 5 * day },
        ],
      };
      // p1 is a1: two days; p4 is a1 too, but its own rule comes first; all others have an app: five days.
      const periodOf = (pod: string) => (pod === 'p4' ? 6 : pod === 'p1' ? 2 : 5);
      const { compactor } = world.compactor({ removesRows: true });
      for (let round = 0; round < 40; round++) {
        await world.pass(5 * hourMs);
        await world.do(compactor.runOnce());
        await world.do(world.reader.refresh());
        const nowNs = world.nowNs;
        for (const pod of ['p0', 'p1', 'p2', 'p3', 'p4']) {
          const request = {
            kind: 'log',
            tenant: parseTenantId('a'),
            expr: `{pod="${pod}"}`,
            startNs: 0n,
            endNs: epochNs + 48n * hourNs,
            direction: 'forward',
            limit: 0,
          } as const;
          const cutoff = nowNs - BigInt(periodOf(pod)) * 24n * hourNs;
          const expected = await world.oracle({ ...request, startNs: cutoff });
          const answer = await world.ask(request);
          // The clock advances by some milliseconds during the answer, but rows have whole hours.
          expect(`${pod} ${round}\n${answer}`).toBe(`${pod} ${round}\n${expected}`);
        }
      }
      for (let round = 0; round < 4; round++) {
        await world.pass(5 * hourMs);
        await world.do(compactor.runOnce());
      }
      expect(world.errors).toEqual([]);
      expect(rowsInStore(world, () => true)).toBe(0);
      expect(world.keys('compacted/')).toEqual([]);
    }
  });
});
