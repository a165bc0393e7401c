import type { WorkerEnv } from '@loki/ports';
import { openSegment } from './read/open.ts';
import { verifySegment } from './read/verify.ts';
import { encodeRecordsTask, mergeTask } from './tasks.ts';
import { expected, rowsOf, sortedDistinct, writeRows } from './test/rows.ts';
import type { InputRow } from './test/rows.ts';
import { encodeSegment } from './write/encode.ts';

const rows = Array.from({ length: 500 }, (_, i): InputRow => {
  return {
    labels: [['app', `a${i % 3}`]],
    ts: BigInt(i % 100),
    line: `line ${i}`,
    metadata: i % 2 === 0 ? [['k', `${i}`]] : [],
  };
});

describe('work for other threads', () => {
  test('an encoding moves its columns there and its bytes back', async () => {
    const sections = writeRows('t', rows);
    const input = { sections, bytesMax: 1 << 20 };
    const wanted = encodeSegment(sections, { kind: 'record' });
    const moved = structuredClone(input, { transfer: encodeRecordsTask.transfer!(input) });
    expect(sections[0].timestamps.length).toBe(0);
    expect(sections[0].lines.length).toBe(0);
    const output = await encodeRecordsTask.run(moved, {} as WorkerEnv);
    const back = structuredClone(output, { transfer: encodeRecordsTask.transferOutput!(output) });
    expect(output.records[0].length).toBe(0);
    expect(back.records).toHaveLength(1);
    expect(Buffer.from(back.records[0]).equals(wanted)).toBe(true);
  });

  test('a tiny encoding never gives away memory that others use', async () => {
    const input = { sections: writeRows('t', rows.slice(0, 1)), bytesMax: 1 << 20 };
    const [bytes] = (await encodeRecordsTask.run(input, {} as WorkerEnv)).records;
    expect(bytes.buffer.byteLength).toBe(bytes.length);
  });

  test('a merge takes bytes and objects, and leaves its inputs where they are', async () => {
    const older = encodeSegment(writeRows('t', rows.slice(0, 300)), { kind: 'record' });
    const newer = encodeSegment(writeRows('t', rows.slice(200)), { kind: 'record' });
    const env = { objectStore: { get: async (key: string) => (key === 'k' ? older : Buffer.alloc(0)) } };
    const input = structuredClone({
      inputs: [{ key: 'k' }, { bytes: newer }],
      options: { kind: 'flushed' as const },
    });
    const output = await mergeTask.run(input, env as unknown as WorkerEnv);
    const { bytes, sections, rowCount, duplicateRows } = structuredClone(output, {
      transfer: mergeTask.transferOutput!(output),
    });
    verifySegment(bytes);
    const segment = openSegment(bytes);
    expect(rowsOf(segment, segment.section('t')!)).toEqual(sortedDistinct(rows.map(expected)));
    expect([rowCount, duplicateRows]).toEqual([500, 100]);
    expect(sections).toEqual([
      { tenant: 't', minNs: 0n, maxNs: 99n, rowCount: 500, lineBytes: segment.sections[0].lineBytes },
    ]);
    expect(newer.length).toBeGreaterThan(0);
  });
});

describe('memory of work for other threads', () => {
  const wide = Array.from({ length: 20_000 }, (_, i): InputRow => {
    return {
      labels: [['app', `a${i % 7}`]],
      ts: BigInt(i),
      line: `line ${i} ${'of some length '.repeat(50)}`,
      metadata: [],
    };
  });
  const rawBytes = wide.reduce((sum, { line }) => sum + line.length, 0);

  /** Bytes of buffers that a call leaves behind; the collector may only make them fewer. */
  async function leftBehind(call: () => unknown): Promise<number> {
    const before = process.memoryUsage().arrayBuffers;
    await call();
    return process.memoryUsage().arrayBuffers - before;
  }

  test('a merge frees the rows that it has decoded, and an encoding its columns', async () => {
    const inputs = [0, 1, 2].map((i) =>
      encodeSegment(writeRows('t', wide.slice(i * 6000, i * 6000 + 8000)), { kind: 'record' }),
    );
    const merge = () =>
      mergeTask.run(
        { inputs: inputs.map((bytes) => ({ bytes })), options: { kind: 'flushed' } },
        {} as WorkerEnv,
      );
    expect(await leftBehind(merge)).toBeLessThan(rawBytes / 4);
    const sections = writeRows('t', wide);
    const encode = () => encodeRecordsTask.run({ sections, bytesMax: 1 << 24 }, {} as WorkerEnv);
    // The columns were there before.
    expect(await leftBehind(encode)).toBeLessThan(0);
  });
});
