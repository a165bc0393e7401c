/** Checks regular expressions in queries, with Loki's error texts. */
import { compileRegex, plainAlternatives } from '@loki/regex';
import { messageOfPart, parseError } from './errors.ts';

/** Throws for a matcher's invalid regex. */
export function checkLabelRegex(pattern: string): void {
  if (plainAlternatives(pattern)) return;
  try {
    compileRegex(pattern, { anchored: true, dotAll: true });
  } catch (error) {
    throw parseError(messageOfPart(error));
  }
}

export function checkReplaceRegex(pattern: string): void {
  try {
    compileRegex(`^(?:${pattern})$`);
  } catch (error) {
    throw parseError(`invalid regex in label_replace: ${messageOfPart(error)}`);
  }
}

/** Throws for a pattern of the regexp parser that is invalid, has no named group, or names a group twice. */
export function checkRegexpParser(pattern: string): void {
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
