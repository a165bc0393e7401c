/** An embedded log on a virtual disk, for the tests of this library. */
import type { Disk } from '@loki/ports';
import { NodeTimers } from '@loki/runtime';
import { Prng } from '@loki/virtual';
import { EmbeddedWriteLog } from '../embedded-write-log.ts';
import type { EmbeddedWriteLogOptions } from '../embedded-write-log.ts';

const timers = new NodeTimers();

export function openLog(
  disk: { client(): Disk },
  options?: Partial<EmbeddedWriteLogOptions>,
): Promise<EmbeddedWriteLog> {
  return EmbeddedWriteLog.open({
    disk: disk.client(),
    timers,
    random: new Prng('salts'),
    partitionCount: 1,
    ...options,
  });
}

/** Sequences of all records that can be read from `from` on. */
export async function readSequences(log: EmbeddedWriteLog, from = 0, bytesMax = 200): Promise<number[]> {
  const found: number[] = [];
  for (let offset = from; ;) {
    const some = await log.read(0, offset, { bytesMax, waitMs: 0 });
    if (some.length === 0) return found;
    found.push(...some.map((record) => record.sequence));
    offset = some.at(-1)!.offset + 1;
  }
}
