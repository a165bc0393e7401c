/** Rule: forms that `npm run format` restores. */
import { commentColumnsMax, withWrappedComments } from './comment-width.ts';
import { withOrderedImports } from './import-order.ts';
import { lineAt } from './tree.ts';
import type { Fault, Tree } from './tree.ts';

/** A rule about the form of a file's text. `mend` returns the text as it should stand. */
interface TextRule {
  readonly mend: (text: string) => string;
  readonly fault: string;
}

const rules: readonly TextRule[] = [
  { mend: withOrderedImports, fault: 'imports stand in the order: node, packages, @loki, own files' },
  { mend: withWrappedComments, fault: `comments end at column ${commentColumnsMax}` },
];

/** Forms that `npm run format` restores by itself. */
export function checkText(tree: Tree): Fault[] {
  return tree.files.flatMap((file) =>
    rules.flatMap(({ mend, fault }) => {
      const mended = mend(file.text);
      if (mended === file.text) return [];
      const line = lineAt(file.text, firstDifference(file.text, mended));
      return [{ path: file.path, line, text: `${fault}; npm run format mends it` }];
    }),
  );
}

/** The text of a file with every rule of this kind applied. */
export function mendText(text: string): string {
  return rules.reduce((mended, rule) => rule.mend(mended), text);
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (a[at] === b[at]) at++;
  return at;
}
