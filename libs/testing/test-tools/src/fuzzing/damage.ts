/** Golden files damaged in every way of a kind: each bit flipped, each cut. */
import type { GoldenFile } from './target.ts';

interface DamageReport {
  readonly attempts: number;
  /** The first damages that passed. */
  readonly faults: readonly string[];
}

const faultsMax = 5;

/**
 * Flips each bit, one at a time: the damage is refused; a file of records returns only intact records in
 * their order, without the damaged one.
 */
export async function flipEveryBit(file: GoldenFile, stepBits = 1): Promise<DamageReport> {
  const sound = file.bytes();
  const records = await file.read(Buffer.from(sound));
  const faults: string[] = [];
  let attempts = 0;
  for (let bit = 0; bit < sound.length * 8 && faults.length < faultsMax; bit += stepBits) {
    const damaged = Buffer.from(sound);
    damaged[bit >> 3] ^= 1 << (bit & 7);
    attempts++;
    const fault = await faultAfter(file, damaged, (served) => flipFault(file, records, served, bit >> 3));
    if (fault !== undefined) faults.push(`${file.name}: bit ${bit}: ${fault}`);
  }
  return { attempts, faults };
}

/** Cuts the file at each length: refused, or exactly the whole records before the cut. */
export async function cutAtEveryByte(file: GoldenFile, stepBytes = 1): Promise<DamageReport> {
  const sound = file.bytes();
  const records = await file.read(Buffer.from(sound));
  const faults: string[] = [];
  let attempts = 0;
  for (let length = 0; length < sound.length && faults.length < faultsMax; length += stepBytes) {
    attempts++;
    const fault = await faultAfter(file, Buffer.from(sound.subarray(0, length)), (served) => {
      if (!file.recordEnds) return 'the cut was not found';
      const whole = file.recordEnds().filter((end) => end <= length).length;
      return sameTexts(served, records.slice(0, whole))
        ? undefined
        : `${served.length} records were read, ${whole} are whole`;
    });
    if (fault !== undefined) faults.push(`${file.name}: cut at ${length}: ${fault}`);
  }
  return { attempts, faults };
}

async function faultAfter(
  file: GoldenFile,
  damaged: Buffer,
  judge: (served: readonly string[]) => string | undefined,
): Promise<string | undefined> {
  let served: readonly string[];
  try {
    served = await file.read(damaged);
  } catch (error) {
    if (file.isRefusal(error)) return undefined;
    return `not a refusal: ${error instanceof Error ? error.stack : String(error)}`;
  }
  return judge(served);
}

function flipFault(
  file: GoldenFile,
  records: readonly string[],
  served: readonly string[],
  at: number,
): string | undefined {
  if (!file.recordEnds) return 'the flip was not found';
  if (at < (file.spareBytes ?? 0)) return sameTexts(served, records) ? undefined : 'records are missing';
  const ends = file.recordEnds();
  const damaged = ends.findIndex((end) => at < end);
  const intact = records.filter((_, index) => index !== damaged);
  return sameTexts(served, intact)
    ? undefined
    : `${served.length} records were served, ${intact.length} are sound`;
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
