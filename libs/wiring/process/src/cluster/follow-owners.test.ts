// Protects live tails while ingesters come and go: each line once, and an end only when no owner answers.
import fc from 'fast-check';
import { LokiError, parseTenantId } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { IngesterService, LogLeafRequest, TailFrame } from '@loki/ports';
import { VirtualProcess, VirtualScheduler } from '@loki/virtual';
import { followOwners } from './follow-owners.ts';

const request: LogLeafRequest = {
  kind: 'log',
  tenant: parseTenantId('t'),
  expr: '{app="a"}',
  startNs: 0n,
  endNs: 1n << 62n,
  direction: 'forward',
  limit: 0,
};

function frameOf(offsets: readonly number[], nextOffset: number): TailFrame {
  const result = {
    kind: 'log' as const,
    labelSets: [],
    labelSet: new Uint32Array(offsets.length),
    timestampNs: BigInt64Array.from(offsets, BigInt),
    lineEnds: new Uint32Array(offsets.length),
    lines: new Uint8Array(0),
    stats: emptyLeafStats(),
  };
  return { result, dropped: 0, nextOffset };
}

type Fate = 'ends' | 'fails' | 'refuses';

/**
 * An owner that answers from a log of `end` records, some in each frame, and does what it is fated to after
 * some frames.
 */
function owner(
  end: () => number,
  perFrame: number,
  fate: () => { what: Fate; after: number },
): IngesterService {
  return {
    async *tail(_partition: number, _request: LogLeafRequest, signal: AbortSignal, fromOffset?: number) {
      const { what, after } = fate();
      const gone = () => new LokiError('unavailable', 'gone');
      if (what === 'refuses') throw gone();
      let at = fromOffset ?? 0;
      yield frameOf([], at);
      for (let frames = 0; !signal.aborted && frames < after; frames++) {
        const to = Math.min(end(), at + perFrame);
        if (to > at) {
          yield frameOf(
            Array.from({ length: to - at }, (_, i) => at + i),
            to,
          );
        }
        at = to;
      }
      if (what === 'fails') throw gone();
    },
  } as Partial<IngesterService> as IngesterService;
}

test('each record is followed once, in order, whatever becomes of its owners', async () => {
  const fates = fc.record({ what: fc.constantFrom<Fate>('ends', 'fails', 'refuses'), after: fc.nat(4) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fates, { maxLength: 30 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 7 }),
      async (plan, owners, perFrame) => {
        const scheduler = new VirtualScheduler(1);
        const { clock, timers } = new VirtualProcess(scheduler, 'querier');
        const left = [...plan];
        const fate = () => left.shift() ?? { what: 'ends' as const, after: 1_000 };
        const all = Array.from({ length: owners }, () => owner(() => 60, perFrame, fate));
        const stop = new AbortController();
        const seen: number[] = [];
        const work = (async () => {
          const deps = { owners: () => all, clock, timers };
          for await (const { result } of followOwners(deps, 0, request, stop.signal)) {
            if (result.kind === 'log') seen.push(...Array.from(result.timestampNs, Number));
            if (seen.length >= 60) stop.abort();
          }
        })();
        await scheduler.settle(work, { eventsMax: 100_000 });
        expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i));
      },
    ),
    { numRuns: 200 },
  );
});

test('a partition that nobody answers for ends the tail after a minute, in words; what is not its fault at once', async () => {
  const scheduler = new VirtualScheduler(1);
  const { clock, timers } = new VirtualProcess(scheduler, 'querier');
  const follow = (all: readonly IngesterService[]) =>
    scheduler.settle(
      followOwners({ owners: () => all, clock, timers }, 7, request, new AbortController().signal).next(),
      { eventsMax: 100_000 },
    );
  const away = owner(
    () => 0,
    1,
    () => ({ what: 'refuses', after: 0 }),
  );
  await expect(follow([away, away])).rejects.toMatchObject({ code: 'unavailable' });
  expect(scheduler.nowMs).toBeGreaterThanOrEqual(60_000);
  expect(scheduler.nowMs).toBeLessThan(65_000);
  await expect(follow([])).rejects.toThrow('partition 7 has no owner');
  const bad = {
    tail: () => {
      throw new LokiError('badRequest', 'only log queries can be followed');
    },
  } as Partial<IngesterService> as IngesterService;
  const beganMs = scheduler.nowMs;
  await expect(follow([bad])).rejects.toMatchObject({ code: 'badRequest' });
  expect(scheduler.nowMs).toBe(beganMs);
});
