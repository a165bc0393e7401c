/** The stage `regexp`. */
import { compileRegex } from '@loki/regex';
import type { Regex } from '@loki/regex';
import { ownText } from '../common/byte-text.ts';
import type { NeededLabels } from './needed-labels.ts';
import type { Row } from './row.ts';

/**
 * `| regexp "(?P<name>…)"`: extracts labels from the named groups of the first match. Without a match there
 * are no labels and no error.
 */
export class RegexpStage {
  readonly #regex: Regex;
  readonly #needed: NeededLabels;
  /** The groups with needed names. */
  readonly #groups: readonly { readonly index: number; readonly name: string }[];

  constructor(pattern: string, needed: NeededLabels) {
    this.#regex = compileRegex(pattern);
    this.#needed = needed;
    this.#groups = this.#regex.groupNames.flatMap((name, index) =>
      name && needed.wants(name) ? [{ index, name }] : [],
    );
  }

  /** Whether none of its labels is needed. */
  get isIdle(): boolean {
    return this.#groups.length === 0;
  }

  run(row: Row): boolean {
    const line = row.lineText();
    const match = this.#regex.exec(line);
    if (!match) return true;
    for (const { index, name } of this.#groups) {
      row.extract(name, ownText(match[index] ?? '', line), this.#needed);
    }
    return true;
  }
}
