/** Protects: rows of a stream become one run, without repeated rows. */
import { columns, openSegment } from '@loki/segment';
import { testDistributor } from '../test/distributor.ts';

const nowMs = 1_768_480_200_000;
const nowNs = BigInt(nowMs) * 1_000_000n;

/** Runs in the log's records, and their rows. */
async function runsOf(values: readonly (readonly [string, string])[]): Promise<number[]> {
  const { push, log } = testDistributor({ nowMs });
  const streams = values.map((value) => ({ stream: { app: 'a' }, values: [value] }));
  const answer = await push('t', { body: Buffer.from(JSON.stringify({ streams })) });
  expect(answer.status).toBe(204);
  return log.records.flatMap(({ record }) => {
    const segment = openSegment(record.payload);
    return segment.sections.flatMap((section) =>
      section.blocks.flatMap((info) => {
        segment.block(section, info.index, columns.timestamps).timestamps();
        return Array.from({ length: info.runs.count }, (_, run) => {
          return info.runs.firstRow[run + 1] - info.runs.firstRow[run];
        });
      }),
    );
  });
}

// A head looked at each of them by itself: 30,000 runs took it 3.7 s.
test('a stream that a push names for each line is one run', async () => {
  const values = Array.from({ length: 1_000 }, (_, i) => [`${nowNs - BigInt(i)}`, `line ${i}`] as const);
  await expect(runsOf(values)).resolves.toEqual([1_000]);
});

test('rows that a push repeats in another place are dropped with the run', async () => {
  const value = [`${nowNs}`, 'a line'] as const;
  await expect(runsOf([value, [`${nowNs + 1n}`, 'another'], value])).resolves.toEqual([2]);
});
