import { compileRegex, plainAlternatives } from '@loki/regex';
import { messageOfPart, parseError } from './errors.ts';

/** Refuses a matcher's regex that is none. */
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

/** Refuses a pattern of the regexp parser that is no regex, names no group, or names one twice. */
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
