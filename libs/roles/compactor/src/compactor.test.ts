/**
 * Protects: compaction changes no answer under crashes, races and failures, and replaced objects leave the
 * store.
 */
import { createHash } from 'node:crypto';
import { hourNs, parseTenantId } from '@loki/model';
import { openSegment, verifySegment } from '@loki/segment';
import { casesOf } from '@loki/test-tools';
import { noStoreFaults } from '@loki/virtual';
import { epochNs, randomRequest, randomRows, TestWorld } from './test/world.ts';

const hourMs = 3_600_000;
const days = [-3, -2, -1, 0];

async function expectSameAnswers(world: TestWorld, count: number, note: string): Promise<void> {
  for (let i = 0; i < count; i++) {
    const request = randomRequest(world.random);
    const text = `${note}: ${JSON.stringify(request, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`;
    expect(`${text}\n${await world.ask(request)}`).toBe(`${text}\n${await world.oracle(request)}`);
  }
}

/** Everything that the catalogs name is there and sound. */
function expectSound(world: TestWorld): void {
  for (const key of [...world.keys('segments/'), ...world.keys('compacted/')]) {
    verifySegment(world.bucket.objects.get(key)!, key);
  }
}

async function filled(seed: number): Promise<TestWorld> {
  const world = new TestWorld(seed);
  await world.do(world.reader.refresh());
  for (let i = 0; i < 14; i++) {
    world.append(randomRows(world.random, world.random.int(1, 40), days));
    if (world.random.chance(0.6)) await world.flush(world.random.int(0, 1));
  }
  return world;
}

// Many seeds of whole lives, on machines that are busy.

describe('compaction', () => {
  test('head, flushed and compacted rows give the same answers, at every step of a random life', async () => {
    let compacted = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const world = new TestWorld(seed);
      await world.do(world.reader.refresh());
      const { compactor } = world.compactor();
      for (let step = 0; step < 40; step++) {
        const what = world.random.int(0, 9);
        if (what < 4) world.append(randomRows(world.random, world.random.int(1, 30), days));
        else if (what < 6) await world.flush(world.random.int(0, 1));
        else if (what < 8) await world.do(compactor.runOnce());
        else {
          await world.pass(world.random.int(1, 3 * hourMs));
          await world.do(world.reader.refresh());
        }
        await expectSameAnswers(world, 2, `seed ${seed} step ${step}`);
      }
      expect(world.errors).toEqual([]);
      compacted += world.keys('compacted/').length;
    }
    expect(compacted).toBeGreaterThan(20);
  });

  test('in the end each closed day of a tenant is one segment, and nothing else is left', async () => {
    const world = await filled(3);
    await world.flush(0);
    await world.flush(1);
    const { compactor } = world.compactor();
    for (let round = 0; round < 30; round++) {
      await world.do(compactor.runOnce());
      await world.pass(2 * hourMs);
    }
    await world.do(world.reader.refresh());
    expect(world.keys('segments/')).toEqual([]);
    expect(world.keys('compacted/')).toHaveLength(2 * days.length);
    for (const key of world.keys('compacted/')) {
      expect(openSegment(world.bucket.objects.get(key)!, key).kind).toBe('compacted');
    }
    expectSound(world);
    await expectSameAnswers(world, 40, 'end');
    expect(world.bucket.overwritten).toEqual([]);
  });

  test('a merge on request takes few and young segments of an open day, also while a round runs', async () => {
    const world = new TestWorld(17);
    await world.do(world.reader.refresh());
    const { compactor } = world.compactor();
    compactor.start();
    for (const duringRound of [false, true]) {
      world.append(randomRows(world.random, 30, [0]));
      await world.flush(0);
      await world.flush(1);
      await world.do(compactor.runOnce());
      const before = compactor.status().merges;
      if (duringRound) void compactor.runOnce();
      compactor.mergeAll();
      expect(compactor.status().isRunning).toBe(true);
      // Less than the interval: an ordinary round cannot be the one that merges.
      for (let seconds = 0; compactor.status().isRunning && seconds < 500; seconds++) await world.pass(1_000);
      expect(compactor.status().isRunning).toBe(false);
      expect(compactor.status().merges).toBeGreaterThan(before);
      await world.do(world.reader.refresh());
      const flushed = world.reader
        .tenants()
        .flatMap((tenant) => world.reader.segmentsFor(tenant, 0n, epochNs * 2n));
      expect(flushed.map(({ key }) => key).filter((key) => key.startsWith('segments/'))).toEqual([]);
      await expectSameAnswers(world, 10, `during a round: ${duringRound}`);
    }
    expect(world.errors).toEqual([]);
    await world.do(compactor.stop());
  });

  test('needles are found by the filters of flushed and of compacted blocks', async () => {
    const world = new TestWorld(9);
    await world.do(world.reader.refresh());
    const dayNs = 24n * hourNs;
    const rows = Array.from({ length: 400 }, (_, i) => ({
      tenant: 'a',
      stream: i % 2,
      ts: epochNs - 3n * dayNs + BigInt(i) * 1_000_000n,
      line: `level=info msg="request ${i} done" trace=${createHash('md5').update(`${i}`).digest('hex')}`,
    }));
    const { compactor } = world.compactor();
    const ask = async (expr: string) => {
      await world.do(world.reader.refresh());
      const tenant = parseTenantId('a');
      const bounds = { startNs: epochNs - 4n * dayNs, endNs: epochNs };
      const request = { kind: 'log', tenant, expr, ...bounds, direction: 'forward', limit: 0 } as const;
      const answer = await world.ask(request);
      expect(answer).toBe(await world.oracle(request));
      const { stats } = await world.do(world.querier.runLeaf(request));
      return { lines: answer === '' ? 0 : answer.split('\n').length, ruledOut: stats.blocksRuledOut };
    };
    const traceOf = (row: number) => rows[row].line.slice(-32);
    const expectFilters = async () => {
      expect((await ask(`{app=~"a.*"} |= "${traceOf(7)}"`)).lines).toBe(1);
      const absent = await ask(`{app=~"a.*"} |= "${'0123456789abcdef'.repeat(2)}"`);
      expect(absent.lines).toBe(0);
      expect(absent.ruledOut).toBeGreaterThan(0);
    };
    world.append(rows.slice(0, 200));
    await world.flush(0);
    await world.flush(1);
    await expectFilters();
    world.append(rows.slice(200));
    await world.flush(0);
    await world.flush(1);
    for (let round = 0; round < 4; round++) {
      await world.do(compactor.runOnce());
      await world.pass(2 * hourMs);
    }
    expect(world.keys('compacted/')).toHaveLength(1);
    await expectFilters();
    expectSound(world);
  });

  test('a crash at any step leaves everything whole; the next compactor goes on', async () => {
    const points = new Set<string>();
    let crashes = 0;
    for (let crashAt = 0; ; crashAt++) {
      const world = await filled(100 + (crashAt % 5));
      let reached = 0;
      const { compactor, process } = world.compactor(
        { dropAfterMs: 0, deleteDelayMs: 0 },
        {
          simHook: (point) => {
            if (reached++ !== crashAt) return Promise.resolve();
            points.add(point);
            process.kill();
            return new Promise(() => {});
          },
        },
      );
      for (let round = 0; round < 3 && process.alive; round++) {
        void compactor.runOnce();
        await world.pass(hourMs);
      }
      // There are no more steps than that.
      if (process.alive) break;
      crashes++;
      await world.do(world.reader.refresh());
      await expectSameAnswers(world, 4, `crash ${crashAt}`);
      const next = world.compactor({ orphanAfterMs: hourMs }).compactor;
      for (let round = 0; round < 5; round++) {
        await world.do(next.runOnce());
        await world.pass(2 * hourMs);
        await world.do(world.reader.refresh());
        await expectSameAnswers(world, 2, `crash ${crashAt} round ${round}`);
      }
      expectSound(world);
      const named = new Set(world.reader.compacted.keys());
      expect(world.keys('compacted/').filter((key) => !named.has(key))).toEqual([]);
    }
    expect(crashes).toBeGreaterThan(12);
    expect([...points].sort()).toEqual([
      'compact.afterCommit',
      'compact.afterMerge',
      'compact.afterPut',
      'compact.afterVerify',
      'sweep.afterDelete',
      'sweep.afterDrop',
    ]);
  });

  test('two compactors of the same days: one wins each merge, no row is lost or doubled', async () => {
    for (let seed = 200; seed < 200 + casesOf({ few: 5, many: 15 }); seed++) {
      const world = await filled(seed);
      const rivals = [world.compactor(), world.compactor()];
      for (let round = 0; round < 3; round++) {
        await world.do(Promise.all(rivals.map(({ compactor }) => compactor.runOnce())));
        await world.do(world.reader.refresh());
        await expectSameAnswers(world, 4, `seed ${seed} round ${round}`);
        await world.pass(2 * hourMs);
      }
      expect(world.errors).toEqual([]);
      expectSound(world);
    }
  });

  test('a store that refuses, loses answers and flips bits delays compaction and harms nothing', async () => {
    for (let seed = 300; seed < 300 + casesOf({ few: 4, many: 12 }); seed++) {
      const world = await filled(seed);
      const { compactor } = world.compactor();
      world.bucket.faults = { ...noStoreFaults, errorBefore: 0.05, answerLost: 0.05, bitFlip: 0.03 };
      for (let round = 0; round < 6; round++) {
        await world.do(compactor.runOnce());
        await world.pass(hourMs);
      }
      world.bucket.faults = { ...noStoreFaults };
      await world.do(world.reader.refresh());
      await expectSameAnswers(world, 10, `seed ${seed}`);
      for (let round = 0; round < 3; round++) await world.do(compactor.runOnce());
      await world.do(world.reader.refresh());
      await expectSameAnswers(world, 10, `seed ${seed} healed`);
      expectSound(world);
    }
  });
});
