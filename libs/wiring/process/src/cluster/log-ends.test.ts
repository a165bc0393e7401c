/**
 * Protects deletes in a compactor of its own: it knows where the log ends, and starts and stops without
 * brokers.
 */
import type { WriteLog } from '@loki/ports';
import { LogEnds } from './log-ends.ts';

function logOf(end: (partition: number) => Promise<number>, onClose = () => {}): WriteLog {
  return { endOffset: end, close: async () => onClose() } as unknown as WriteLog;
}

test('the log is opened once, by the first question, and closed at the end', async () => {
  let opened = 0;
  let closed = 0;
  const ends = new LogEnds(async () => {
    opened++;
    return logOf(
      async (partition) => 10 * partition,
      () => closed++,
    );
  });
  expect(opened).toBe(0);
  expect(await Promise.all([0, 1, 2].map((partition) => ends.endOffset(partition)))).toEqual([0, 10, 20]);
  expect(opened).toBe(1);
  await ends.close();
  expect(closed).toBe(1);
});

test('brokers that are away fail the question, and are asked again by the next one', async () => {
  let opened = 0;
  const ends = new LogEnds(async () => {
    if (++opened === 1) throw new Error('no broker');
    return logOf(async () => 7);
  });
  await expect(ends.endOffset(0)).rejects.toThrow('no broker');
  expect(await ends.endOffset(0)).toBe(7);
});

test('whoever waits for brokers that never answer is let go at the end', async () => {
  const opening = Promise.withResolvers<WriteLog>();
  let closed = 0;
  const ends = new LogEnds(() => opening.promise);
  const asked = ends.endOffset(0);
  const closing = ends.close();
  await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
  await expect(ends.endOffset(0)).rejects.toMatchObject({ code: 'unavailable' });
  // One that answers too late is not left open.
  opening.resolve(
    logOf(
      async () => 1,
      () => closed++,
    ),
  );
  await closing;
  expect(closed).toBe(1);
});

test('a process without calls closes at once', async () => {
  await new LogEnds(() => Promise.reject(new Error('nobody should open it'))).close();
});
