import * as regex from '@loki/regex';
import { parseError } from './errors.ts';

type Compile = (pattern: string, options?: { anchored?: boolean }) => { test(text: string): boolean };
const compileRegex: Compile =
  (regex as { compileRegex?: Compile }).compileRegex ??
  ((pattern, options) => new RegExp(options?.anchored ? `^(?:${pattern})$` : pattern, 's'));

/** Refuses a matcher's regex that is none. */
export function checkLabelRegex(pattern: string): void {
  try {
    compileRegex(pattern, { anchored: true });
  } catch (error) {
    throw parseError((error as Error).message);
  }
}

export function checkReplaceRegex(pattern: string): void {
  try {
    compileRegex(`^(?:${pattern})$`);
  } catch (error) {
    throw parseError(`invalid regex in label_replace: ${(error as Error).message}`);
  }
}

/** Does a matcher's regex accept the empty text, that is, a missing label? */
export function matchesEmpty(pattern: string): boolean {
  return compileRegex(pattern, { anchored: true }).test('');
}
