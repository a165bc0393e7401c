/** Rule of tidy: variables of products and tools are nouns of the field, not participles or pronouns. */
import { lineAt } from './tree.ts';
import type { Fault, Tree } from './tree.ts';

/** Names for the event that produced a value, instead of the value. */
const riddles =
  'again|ahead|alone|apart|asked|away|begun|behind|beyond|both|chosen|drawn|either|enough|few|forgotten|found|' +
  'given|gone|heard|held|here|how|kept|known|late|looked|looks|lost|made|many|mine|moved|past|rest|said|seen|sent|' +
  'shown|some|spared|spoken|standing|taken|those|thrown|told|touched|tried|wanted|watched|what|who|whom|why';
/** A declared variable, the first parameter of a function, a parameter of an arrow function. */
const declaration = new RegExp(
  `(?<=\\b(?:const|let) )(?:${riddles})\\b` +
    `|(?<=\\()(?:${riddles})(?=\\??: )` +
    `|(?<=\\((?:\\w+, )*)(?:${riddles})(?=(?:, \\w+)*\\) =>)`,
  'g',
);

/** Reports variables with such names; `...rest` of a destructured value is usual and stays. */
export function checkNames({ files }: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const { path, text, code, isTest } of files) {
    if (isTest) continue;
    for (const { index, 0: name } of code.matchAll(declaration)) {
      faults.push({ path, line: lineAt(text, index), text: `a variable is named by a noun: not "${name}"` });
    }
  }
  return faults;
}
