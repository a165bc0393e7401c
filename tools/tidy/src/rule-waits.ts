/** Rule of tidy: a test that waits for a count accepts larger counts, so that it cannot miss the moment. */
import { lineAt } from './tree.ts';
import type { Fault, Tree } from './tree.ts';

const wait = /\b(?:eventually|eventuallyHolds|until|waitFor|waitUntil)\(/g;
/** A count, not the status of an answer. */
const exactCount = /(?<!\bstatus) ={2,3} [1-9]\d*\b|\.toHaveLength\([1-9]\d*\)/g;

/**
 * Reports waits for an exact count. On a loaded machine the count may pass that number between two looks, and
 * the wait then lasts until the test fails.
 */
export function checkWaits({ files }: Tree): Fault[] {
  const faults: Fault[] = [];
  for (const { path, text, code } of files) {
    for (const { index, 0: call } of code.matchAll(wait)) {
      const start = index + call.length;
      const condition = code.slice(start, closingOf(code, start));
      for (const count of condition.matchAll(exactCount)) {
        faults.push({
          path,
          line: lineAt(text, start + count.index),
          text: 'a count may pass this number before the wait looks: wait for >= or <=, then expect the number',
        });
      }
    }
  }
  return faults;
}

/** The place of the parenthesis that closes the one before `start`. */
function closingOf(code: string, start: number): number {
  let depth = 1;
  for (let at = start; at < code.length; at++) {
    if (code[at] === '(') depth++;
    else if (code[at] === ')' && --depth === 0) return at;
  }
  return code.length;
}
