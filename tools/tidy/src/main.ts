/**
 * Checks the tree against the house rules: `npm run check:tidy -- [--fix]`. With --fix it first mends the
 * forms that a program can mend.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readOptions } from '@loki/command-line';
import { checkTree } from './check-tree.ts';
import { mendText } from './rule-text.ts';
import { readTree } from './tree.ts';

/**
 * Checks the whole tree against the house rules; prints each fault as `file:line: text` and fails when there
 * is one. With --fix it first mends the forms that a program can mend.
 */
function main(): void {
  const root = join(import.meta.dirname, '..', '..', '..');
  const { values } = readOptions(import.meta.filename, { options: { fix: { type: 'boolean' } } });
  if (values.fix) mendTree(root);
  const tree = readTree(root);
  const faults = checkTree(tree);
  for (const fault of faults) console.log(`${fault.path}:${fault.line}: ${fault.text}`);
  console.log(
    `tidy: ${tree.files.length} files, ${faults.length === 0 ? 'no faults' : `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`}`,
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
}

function mendTree(root: string): void {
  for (const file of readTree(root).files) {
    const mended = mendText(file.text);
    if (mended !== file.text) writeFileSync(join(root, file.path), mended);
  }
}

main();
