/** Finds the smallest input that still fails in the same way, for a person to understand. */
import { judge } from './judge.ts';
import type { FuzzTarget } from './target.ts';

/** Bounds the time: a slow input is slow at each try. */
const cpuMsDefault = 10_000;

/** Removes pieces, large ones first, while the remainder fails alike. Stops when its time is used. */
export async function minimise(target: FuzzTarget, input: Buffer, cpuMs = cpuMsDefault): Promise<Buffer> {
  const before = process.threadCpuUsage();
  const isOver = (): boolean => {
    const { user, system } = process.threadCpuUsage(before);
    return user + system > cpuMs * 1000;
  };
  const original = await judge(target, input);
  const failsAlike = async (candidate: Buffer): Promise<boolean> => {
    const { finding, signature } = await judge(target, candidate);
    return finding?.kind === original.finding?.kind && signature === original.signature;
  };
  let smallest = input;
  for (let size = Math.ceil(smallest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length && !isOver();) {
      const without = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      const candidate = target.mend ? target.mend(without) : without;
      if (candidate.length < smallest.length && (await failsAlike(candidate))) smallest = candidate;
      else at += size;
    }
  }
  return smallest;
}
