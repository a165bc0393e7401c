/**
 * The fuzzer inside `npm test`: a short run of each target of a library, and each golden file damaged in each
 * way.
 */
import { cutAtEveryByte, flipEveryBit } from './fuzzing/damage.ts';
import { fuzz } from './fuzzing/fuzz.ts';
import { cpuMsMaxDefault } from './fuzzing/target.ts';
import type { FuzzTarget, GoldenFile } from './fuzzing/target.ts';
import { casesOf } from './thorough.ts';

/**
 * Beside other tests, freshly compiled and on a slow machine, code takes many times as long as in
 * `npm run fuzz`.
 */
const slack = 20;

/** Declares the tests; `npm run fuzz -- --target NAME` runs longer. */
export function testTargets(targets: readonly FuzzTarget[]): void {
  describe('hostile input is refused in order, soon, and within the memory that the decoder states', () => {
    test.each(targets)('$name', async (target) => {
      const count = target.corpus().length + casesOf({ few: 200, many: 5000 });
      const cpuMsMax = slack * (target.cpuMsMax ?? cpuMsMaxDefault);
      const { failures } = await fuzz({ ...target, cpuMsMax }, { seed: 1, count });
      const texts = failures.map(({ finding, input }) => [finding, input.toString('latin1', 0, 2000)]);
      expect(texts).toEqual([]);
    });
  });
}

/**
 * Declares the tests of golden files: each is damaged at every bit and cut at every byte, and no damage may
 * pass.
 */
export function testGoldenFiles(files: readonly GoldenFile[]): void {
  describe('no damage to a file passes', () => {
    test.each(files)('$name: each bit flipped', async (file) => {
      const { faults, attempts } = await flipEveryBit(file);
      expect(faults).toEqual([]);
      expect(attempts).toBe(file.bytes().length * 8);
    });

    test.each(files)('$name: cut at each byte', async (file) => {
      expect((await cutAtEveryByte(file)).faults).toEqual([]);
    });
  });
}
