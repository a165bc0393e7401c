/**
 * Tells the faults of a run, and whether it passed.
 *
 * @returns the exit code
 */
export function tellVerdict(faults: readonly string[]): number {
  for (const fault of faults) console.log(`!! ${fault}`);
  console.log(faults.length === 0 ? '1 passed, 0 failed' : '0 passed, 1 failed');
  return faults.length === 0 ? 0 : 1;
}
