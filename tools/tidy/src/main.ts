import { join } from 'node:path';
import { checkTree } from './check-tree.ts';
import { readTree } from './tree.ts';

/** Checks the whole tree against the house rules; prints `file:line: what` and fails when there is anything to print. */
function main(): void {
  const tree = readTree(join(import.meta.dirname, '..', '..', '..'));
  const faults = checkTree(tree);
  for (const fault of faults) console.log(`${fault.path}:${fault.line}: ${fault.text}`);
  console.log(
    `tidy: ${tree.files.length} files, ${faults.length === 0 ? 'no faults' : `${faults.length} faults`}`,
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
}

main();
