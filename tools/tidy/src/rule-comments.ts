/** Rule: sentences in comments and docs name their subject. */
import { maskComments } from './mask.ts';
import { lineAt } from './tree.ts';
import type { Fault, Tree } from './tree.ts';

/** Words that begin a clause where the name of a thing should stand. */
const nameless = 'What|Whatever|Who|Whoever|Whom|Whose|Nobody|Somebody|So many';
/** A sentence of a comment: its first one, or one after another. Only the word is part of the match. */
const ofComment = new RegExp(
  `(?<=/\\*\\*?\\s+(?:\\*\\s)?|//\\s|[.:;!?]\\s+(?:\\*\\s+|//\\s+)?)(${nameless})\\b`,
  'g',
);
/** A sentence of a page: of a paragraph, an item, a cell or a heading. */
const ofPage = new RegExp(`(?<=^|^#+ |^\\s*(?:[-*]|\\d+\\.) |[|.:;!?] |\\*\\* |\\[)(${nameless})\\b`, 'gm');

/** Sentences name their subject: in all comments and pages. */
export function checkComments({ files, pages }: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const { path, text } of files) {
    const starts = [...text.matchAll(ofComment)];
    if (starts.length === 0) continue;
    const code = maskComments(text);
    for (const { index, 1: word } of starts) {
      if (code[index] === word[0]) continue; // inside a text
      faults.push({ path, line: lineAt(text, index), text: `a comment names its subject: not "${word} …"` });
    }
  }
  for (const { path, text } of pages) {
    const prose = text.replaceAll(/^(```|~~~)[^]*?^\1|`[^`\n]*`/gm, (code) => code.replaceAll(/[^\n]/g, ' '));
    for (const { index, 1: word } of prose.matchAll(ofPage)) {
      if (/^[^.!|]*\?/.test(prose.slice(index))) continue; // a question
      faults.push({ path, line: lineAt(text, index), text: `a sentence names its subject: not "${word} …"` });
    }
  }
  return faults;
}
