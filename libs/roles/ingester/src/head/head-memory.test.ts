/** Protects the bounds on heads: the bytes that a head counts are those that it holds, within a fifth. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';

const toleranceShare = 0.2;
const script = path.join(__dirname, '../test/measure-head.ts');

test.each([
  [10_000, 3],
  [100_000, 1],
  [1_000, 300],
])('%d streams, each pushed %d times', (streams, rounds) => {
  const args = ['--disable-warning=ExperimentalWarning', script, `${streams}`, `${rounds}`];
  const options = { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } } as const;
  const printed = execFileSync(process.execPath, args, options);
  const [heldBytes, countedBytes] = JSON.parse(printed) as [number, number];
  expect(countedBytes / heldBytes).toBeGreaterThan(1 - toleranceShare);
  expect(countedBytes / heldBytes).toBeLessThan(1 + toleranceShare);
});
