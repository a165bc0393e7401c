/** Checks regular expressions in queries, with Loki's error texts. */
import { compileRegex, plainAlternatives } from '@loki/regex';
import { messageOfPart, parseError } from './errors.ts';

let isChecking = true;

/** Reads a text whose patterns were checked when it was first read: checks none of them. */
export function withoutPatternChecks<T>(read: () => T): T {
  isChecking = false;
  try {
    return read();
  } finally {
    isChecking = true;
  }
}

/** Throws for a matcher's invalid regex. */
export function checkLabelRegex(pattern: string): void {
  if (!isChecking || plainAlternatives(pattern)) return;
  try {
    compileRegex(pattern, { anchored: true, dotAll: true });
  } catch (error) {
    throw parseError(messageOfPart(error));
  }
}

/**
 * Most instructions of a pattern that is compiled on the main thread, which takes up to 3 us for each: those
 * of `label_replace`, and of all selectors of a query together.
 */
export const mainThreadSizeMax = 8_192;

export function checkReplaceRegex(pattern: string): void {
  if (!isChecking) return;
  let size: number;
  try {
    ({ size } = compileRegex(`^(?:${pattern})$`));
  } catch (error) {
    throw parseError(`invalid regex in label_replace: ${messageOfPart(error)}`);
  }
  if (size > mainThreadSizeMax) {
    throw parseError(`regular expression of label_replace is too large (${size} > ${mainThreadSizeMax})`);
  }
}

/** Throws for a pattern of the regexp parser that is invalid, has no named group, or names a group twice. */
export function checkRegexpParser(pattern: string): void {
  if (!isChecking) return;
  const names = new Set<string>();
  let groups: readonly string[];
  try {
    groups = compileRegex(pattern).groupNames;
  } catch (error) {
    throw parseError(`invalid regexp parser: ${messageOfPart(error)}`);
  }
  for (const name of groups) {
    if (name === '') continue;
    if (names.has(name)) throw parseError(`invalid regexp parser: duplicate extracted label name '${name}'`);
    names.add(name);
  }
  if (names.size === 0) {
    throw parseError('invalid regexp parser: at least one named capture must be supplied');
  }
}
