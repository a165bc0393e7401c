import type { Matcher } from '@loki/logql';
import { errorDetailsLabel, errorLabel, extractedSuffix } from './error-labels.ts';
import type { Row } from './row.ts';
import { compileMatcher } from './string-match.ts';

/**
 * Label filters that stand before a parser, which the reference's parsers for whole lines ask once more of what they find
 * (its pull request 24415 tells of it): a line that passed `| level=""` because it had no such label yet is dropped by
 * `| logfmt` when it finds one. Where few labels are needed its parsers do not.
 */
export class Rechecks {
  readonly #tests = new Map<string, ((value: string) => boolean)[]>();

  /** The matchers before a parser as tests for it; undefined when there are none. */
  static of(matchers: readonly Matcher[]): Rechecks | undefined {
    const rechecks = new Rechecks();
    for (const matcher of matchers) {
      if (matcher.name === errorLabel || matcher.name === errorDetailsLabel) continue;
      const { name, matches } = compileMatcher(matcher);
      const tests = rechecks.#tests.get(name);
      if (tests) tests.push(matches);
      else rechecks.#tests.set(name, [matches]);
    }
    return rechecks.#tests.size > 0 ? rechecks : undefined;
  }

  /** False: the row goes, for what a parser found under `name` and just gave it. */
  passes(row: Row, name: string, value: string): boolean {
    const label = row.base.indexOf(name) >= 0 ? name + extractedSuffix : name;
    return this.#tests.get(label)?.every((matches) => matches(value)) ?? true;
  }
}
