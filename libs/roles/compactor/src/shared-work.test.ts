/**
 * Protects: compactors that share a ring do each day's work once, and one that dies leaves nothing undone.
 */
import type { Logger } from '@loki/ports';
import { RingMember, RingView, WorkShare } from '@loki/ring';
import { MemoryRingStore } from '@loki/ring-store';
import { compactorMetrics, Metrics } from '@loki/telemetry';
import { VirtualProcess } from '@loki/virtual';
import type { Compactor } from './compactor.ts';
import { sharedWork } from './share.ts';
import { randomRequest, randomRows, TestWorld } from './test/world.ts';

const hourMs = 3_600_000;
const days = [-9, -8, -7, -6, -5, -4, -3, -2];

interface Member {
  readonly compactor: Compactor;
  readonly share: WorkShare;
  /** Days compacted, as `tenant/day`, each time they were. */
  readonly compacted: string[];
  sweeps: number;
  lost: number;
  kill(): void;
}

class SharedWorld extends TestWorld {
  readonly ring = new MemoryRingStore();
  readonly members: Member[] = [];

  /** A compactor that is a member of the ring. */
  async join(id: string): Promise<Member> {
    const ringProcess = new VirtualProcess(this.scheduler, `ring-of-${id}`);
    const { clock, timers, random } = ringProcess;
    const shared = { store: this.ring, key: 'compactor', clock, timers };
    const view = new RingView(shared);
    const self = new RingMember({ ...shared, random, id, address: `${id}:9095`, view });
    await this.do(view.start());
    await this.do(self.start().then(() => self.activate()));
    const share = new WorkShare(view, id);
    const compacted: string[] = [];
    const quiet = () => undefined;
    const logger: Logger = {
      debug: quiet,
      info: (message, fields) => {
        if (message !== 'compacted') return;
        const day = Date.parse(String(fields!['day'])) / 86_400_000;
        compacted.push(`${String(fields!['tenant'])}/${day}`);
      },
      warn: quiet,
      error: (message, fields) => void this.errors.push(`${message} ${JSON.stringify(fields)}`),
      child: () => logger,
    };
    const work = sharedWork(share);
    const { compactor, process } = this.compactor(
      {},
      {
        logger,
        metrics: { ...compactorMetrics(new Metrics()), mergeLost: () => void member.lost++ },
        owns: work.owns,
        sweeps: () => {
          const isMine = work.sweeps();
          if (isMine) member.sweeps++;
          return isMine;
        },
      },
    );
    const member: Member = {
      compactor,
      share,
      compacted,
      sweeps: 0,
      lost: 0,
      kill: () => {
        ringProcess.kill();
        process.kill();
      },
    };
    this.members.push(member);
    return member;
  }

  /** A round of all that live, side by side. */
  async round(members = this.members): Promise<void> {
    await this.do(Promise.all(members.map(({ compactor }) => compactor.runOnce())));
    await this.do(this.reader.refresh());
  }
}

async function filled(seed: number): Promise<SharedWorld> {
  const world = new SharedWorld(seed);
  for (let i = 0; i < 12; i++) {
    world.append(randomRows(world.random, 60, days));
    await world.flush(i % 2);
  }
  await world.do(world.reader.refresh());
  return world;
}

async function expectSameAnswers(world: TestWorld, note: string): Promise<void> {
  for (let i = 0; i < 6; i++) {
    const request = randomRequest(world.random);
    expect(`${note} ${await world.ask(request)}`).toBe(`${note} ${await world.oracle(request)}`);
  }
}

/** Days that have something, as `tenant/day`. */
function daysOf(world: TestWorld): string[] {
  const { reader } = world;
  return reader
    .tenants()
    .flatMap((tenant) => reader.days(tenant).map((day) => `${tenant}/${day}`))
    .sort();
}

test('two compactors of one store compact each day once, and share them', async () => {
  for (const seed of [1, 2, 3]) {
    const world = await filled(seed);
    const [a, b] = [await world.join('compactor-a'), await world.join('compactor-b')];
    await world.pass(10_000);
    const all = daysOf(world);
    expect(all).toHaveLength(2 * days.length);
    for (let round = 0; round < 3; round++) await world.round();
    expect([...a.compacted, ...b.compacted].sort()).toEqual(all);
    expect(a.compacted.length).toBeGreaterThan(0);
    expect(b.compacted.length).toBeGreaterThan(0);
    expect([a.lost, b.lost]).toEqual([0, 0]);
    expect(Math.min(a.sweeps, b.sweeps)).toBe(0);
    expect(a.sweeps + b.sweeps).toBeGreaterThan(0);
    expect(world.errors).toEqual([]);
    await expectSameAnswers(world, `seed ${seed}`);
  }
});

test('what a killed compactor had is done by the others, once it is missed', async () => {
  const world = await filled(4);
  const [a, b, c] = [
    await world.join('compactor-a'),
    await world.join('compactor-b'),
    await world.join('compactor-c'),
  ];
  await world.pass(10_000);
  const all = daysOf(world);
  const of = (member: Member) => all.filter((day) => member.share.owns(day));
  const [ofA, ofB, ofC] = [of(a), of(b), of(c)];
  const wasSweeping = [a, b, c].filter(({ share }) => share.owns('sweep/'));
  expect(wasSweeping).toHaveLength(1);
  expect(ofB.length).toBeGreaterThan(0);
  b.kill();
  await world.round([a, c]);
  expect(a.compacted.sort()).toEqual(ofA);
  expect(c.compacted.sort()).toEqual(ofC);
  // Its heartbeats are missed after a minute.
  await world.pass(90_000);
  await world.round([a, c]);
  await world.round([a, c]);
  expect([...a.compacted, ...c.compacted].sort()).toEqual(all);
  // The living compactors kept their days.
  expect(a.compacted).toEqual(expect.arrayContaining(ofA));
  expect(c.compacted).toEqual(expect.arrayContaining(ofC));
  expect([a, c].filter(({ share }) => share.owns('sweep/'))).toHaveLength(1);
  expect(world.errors).toEqual([]);
  await expectSameAnswers(world, 'taken over');
});

function takeAway(ring: MemoryRingStore): void {
  const refuse = () => Promise.reject(new Error('connection refused'));
  Object.assign(ring, { entries: refuse, get: refuse, put: refuse, remove: refuse });
}

test('with the ring’s store away everybody goes on with the share it had', async () => {
  const world = await filled(5);
  const [a, b] = [await world.join('compactor-a'), await world.join('compactor-b')];
  await world.pass(10_000);
  const all = daysOf(world);
  const before = [a, b].map(({ share }) => all.filter((day) => share.owns(day)));
  takeAway(world.ring);
  await world.pass(6 * hourMs);
  expect([a, b].map(({ share }) => all.filter((day) => share.owns(day)))).toEqual(before);
  for (let round = 0; round < 2; round++) await world.round();
  expect([...a.compacted, ...b.compacted].sort()).toEqual(all);
});

test('one that never saw a ring is alone, and does everything', async () => {
  const world = await filled(6);
  takeAway(world.ring);
  const alone = await world.join('compactor-a');
  for (let round = 0; round < 2; round++) await world.round();
  expect(alone.compacted.sort()).toEqual(daysOf(world));
  expect(alone.sweeps).toBeGreaterThan(0);
});
