/** The stages `drop` and `keep`. */
import type { Matcher } from '@loki/logql';
import { errorDetailsLabel, errorLabel } from '../common/error-labels.ts';
import type { Row } from './row.ts';
import { compileCachedMatcher } from './string-match.ts';

/** A label name, optionally with a condition on the value. */
interface Target {
  readonly name: string;
  readonly matches: (value: string) => boolean;
}

function compileTargets(targets: readonly (string | Matcher)[]): Target[] {
  return targets.map((target) =>
    typeof target === 'string' ? { name: target, matches: () => true } : compileCachedMatcher(target),
  );
}

/** `| drop a, b="x"`: removes labels of any origin. Dropping `__error__` clears the error. */
export class DropStage {
  readonly #targets: readonly Target[];

  constructor(targets: readonly (string | Matcher)[]) {
    this.#targets = compileTargets(targets);
  }

  run(row: Row): boolean {
    for (const { name, matches } of this.#targets) {
      if (name === errorLabel) {
        if (matches(row.error)) row.error = '';
      } else if (name === errorDetailsLabel) {
        if (matches(row.errorDetails)) row.errorDetails = '';
      } else {
        const value = row.get(name);
        if (value !== undefined && matches(value)) row.drop(name);
      }
    }
    return true;
  }
}

/** `| keep a, b="x"`: removes all other labels, except those of an error. */
export class KeepStage {
  readonly #targets: readonly Target[];

  constructor(targets: readonly (string | Matcher)[]) {
    this.#targets = compileTargets(targets);
  }

  run(row: Row): boolean {
    const { names, values } = row.base;
    for (let i = 0; i < names.length; i++) {
      if (!row.isHidden(i) && !this.#keeps(names[i], values[i])) row.dropBase(i);
    }
    row.keepParsed((name, value) => this.#keeps(name, value));
    return true;
  }

  #keeps(name: string, value: string): boolean {
    return this.#targets.some((target) => target.name === name && target.matches(value));
  }
}
