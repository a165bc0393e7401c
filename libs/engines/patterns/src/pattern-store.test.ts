import { Labels, parseTenantId } from '@loki/model';
import type { WorkerEnv } from '@loki/ports';
import { encodeSegment, RowWriter } from '@loki/segment';
import { mergePatterns } from './merge-patterns.ts';
import { PatternStore, retainSeconds } from './pattern-store.ts';
import type { PatternSelection } from './pattern-store.ts';
import { summarizeTask } from './summarize.ts';
import type { RecordSummary } from './summarize.ts';

// Protects the way of lines from a record to the counts of their patterns; and that neither time
// nor many streams make patterns cost more memory than they may.

interface Row {
  readonly app: string;
  readonly seconds: number;
  readonly line: string;
  readonly level?: string;
}

const startSeconds = 1_700_000_000;

async function summarize(rows: readonly Row[], tenant = 't'): Promise<RecordSummary> {
  const writer = new RowWriter(parseTenantId(tenant));
  for (const { app, seconds, line, level } of rows) {
    writer.beginRun(Labels.fromPairs([['app', app]]));
    writer.addRowText(startSeconds + seconds, 999_999_999, line);
    if (level !== undefined) writer.addMetadata('detected_level', level);
    writer.endRun();
  }
  return summarizeTask.run({ bytes: encodeSegment(writer.finish(), { kind: 'record' }) }, {} as WorkerEnv);
}

const all: PatternSelection = {
  tenant: 't',
  matches: () => true,
  startSeconds,
  endSeconds: startSeconds + 1e6,
  stepSeconds: 10,
};

function newStore(bytesMax = 1 << 24) {
  return new PatternStore({ bytesMax });
}

test('lines are counted by pattern, level and step', async () => {
  const store = newStore();
  const summary = await summarize([
    { app: 'a', seconds: 0, line: 'user ann logged in', level: 'info' },
    { app: 'a', seconds: 9, line: 'user bob logged in', level: 'info' },
    { app: 'a', seconds: 10, line: 'user eve logged in', level: 'info' },
    { app: 'a', seconds: 31, line: 'user eve logged in', level: 'error' },
    { app: 'a', seconds: 35, line: 'bye' },
  ]);
  expect(summary.lines).toBe(5);
  expect([...store.add(summary)]).toEqual([['t', 3]]);
  expect(store.query(all)).toEqual([
    {
      pattern: 'user <_> logged in',
      level: 'info',
      samples: [
        [startSeconds, 2],
        [startSeconds + 10, 1],
      ],
    },
    { pattern: 'user eve logged in', level: 'error', samples: [[startSeconds + 30, 1]] },
    { pattern: 'bye', level: 'unknown', samples: [[startSeconds + 30, 1]] },
  ]);
  const coarse = store.query({ ...all, stepSeconds: 60 });
  // Steps are cut at multiples of 60 s since 1970, 20 s into the data.
  expect(coarse[0].samples).toEqual([[startSeconds - 20, 3]]);
});

test('only the time, the tenant and the streams asked for count', async () => {
  const store = newStore();
  store.add(
    await summarize([
      { app: 'a', seconds: 0, line: 'one' },
      { app: 'b', seconds: 20, line: 'two' },
    ]),
  );
  store.add(await summarize([{ app: 'a', seconds: 0, line: 'foreign' }], 'other'));
  const patterns = (over: Partial<PatternSelection>) =>
    store.query({ ...all, ...over }).map((each) => each.pattern);
  expect(patterns({})).toEqual(['one', 'two']);
  expect(patterns({ startSeconds: startSeconds + 10 })).toEqual(['two']);
  expect(patterns({ endSeconds: startSeconds + 20 })).toEqual(['one']);
  expect(patterns({ matches: (labels) => labels.get('app') === 'b' })).toEqual(['two']);
  expect(patterns({ tenant: 'nobody' })).toEqual([]);
});

test('alike patterns of several streams are one', async () => {
  const store = newStore();
  store.add(
    await summarize([
      { app: 'a', seconds: 0, line: 'user ann logged in' },
      { app: 'b', seconds: 0, line: 'user bob logged in' },
    ]),
  );
  expect(store.query(all)).toMatchObject([{ pattern: 'user <_> logged in', samples: [[startSeconds, 2]] }]);
});

test('counts older than the newest line by three hours are forgotten, and patterns without counts', async () => {
  const store = newStore();
  store.add(await summarize([{ app: 'a', seconds: 0, line: 'old' }]));
  store.add(await summarize([{ app: 'a', seconds: retainSeconds + 3600, line: 'new' }]));
  expect(store.query(all).map((each) => each.pattern)).toEqual(['new']);
});

test('memory is bounded: streams that were silent for longest are forgotten', async () => {
  const store = newStore(20_000);
  for (let i = 0; i < 200; i++) {
    store.add(
      await summarize([{ app: `app-${i}`, seconds: i, line: `only this one ${'w '.repeat(i % 20)}` }]),
    );
    expect(store.bytes).toBeLessThanOrEqual(20_000);
  }
  expect(store.streamCount).toBeGreaterThan(2);
  const kept = store.query({ ...all, matches: (labels) => labels.get('app') === 'app-199' });
  expect(kept).toHaveLength(1);
});

test('levels that clients make up do not add up without end', async () => {
  const store = newStore();
  for (let i = 0; i < 50; i++) {
    store.add(await summarize([{ app: 'a', seconds: 0, line: 'x', level: `l${i}` }]));
  }
  expect(store.query(all)).toHaveLength(16);
});

test('answers of several places are added up', () => {
  const one = { pattern: 'p', level: 'info', samples: [[10, 1]] as const };
  const two = {
    pattern: 'p',
    level: 'info',
    samples: [
      [0, 2],
      [10, 3],
    ] as const,
  };
  const other = { pattern: 'p', level: 'warn', samples: [[0, 5]] as const };
  expect(mergePatterns([[one, other], [two]])).toEqual([
    {
      pattern: 'p',
      level: 'info',
      samples: [
        [0, 2],
        [10, 4],
      ],
    },
    { pattern: 'p', level: 'warn', samples: [[0, 5]] },
  ]);
});

test('lines without a pattern are counted as skipped', async () => {
  const summary = await summarize([
    { app: 'a', seconds: 0, line: 'x'.repeat(5000) },
    { app: 'a', seconds: 0, line: 'y' },
  ]);
  expect(summary).toMatchObject({ lines: 2, skipped: 1 });
});
