import { maskComments } from './mask.ts';
import { lineAt } from './tree.ts';
import type { Fault, Tree } from './tree.ts';

/** The first word of a comment that has a clause for its subject, which hides the name of the thing. */
const namelessStart = /(?:\/\*\*\s+(?:\*\s)?|\/\/ )(What|Who|Whoever|Whom|Whose|Nobody|So many)\b/g;

/** Comments of products name their subject. Tests and tools may be shorter. */
export function checkComments(tree: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const { path, text, isTest } of tree.files) {
    if (isTest || path.startsWith('tools/')) continue;
    const starts = [...text.matchAll(namelessStart)];
    if (starts.length === 0) continue;
    const code = maskComments(text);
    for (const { index, 1: word } of starts) {
      if (code[index] === '/') continue; // inside a text
      faults.push({ path, line: lineAt(text, index), text: `a comment names its subject: not "${word} …"` });
    }
  }
  return faults;
}
