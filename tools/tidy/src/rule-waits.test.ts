/** Protects `npm test` from waits that a loaded machine misses: two of them refused a release each. */
import { checkWaits } from './rule-waits.ts';
import { sourceFile } from './tree.ts';

function faultsOf(text: string): string[] {
  return checkWaits({
    files: [sourceFile('libs/words/model/src/a.test.ts', 'libs/words/model', text)],
    pages: [],
    packages: new Map(),
    rootDevDependencies: new Set(),
  }).map((fault) => `${fault.line}: ${fault.text}`);
}

const refused = (line: number) => [
  `${line}: a count may pass this number before the wait looks: wait for >= or <=, then expect the number`,
];

test.each([
  ['await eventually(() => pushed.length === 2);', refused(1)],
  ['await until(() => server.state.lines.length === 4);', refused(1)],
  ['await eventually(async () => {\n  await ask();\n  return (inflight() === 1);\n});', refused(3)],
  ['await eventuallyHolds(() => expect(requests).toHaveLength(1));', refused(1)],
  ['await eventually(() => pushed.length >= 2);\nexpect(pushed.length === 2).toBe(true);', []],
  ['await eventually(() => server.open === 0);', []],
  ['await eventually(async () => (await ask("/ready")).status === 200);', []],
  ['await eventually(() => text === "=== 1");', []],
  ['await eventuallyHolds(() => expect(lines).toEqual(["a", "b"]));', []],
  ['// eventually(() => pushed.length === 2)', []],
])('%j', (text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});
