/** The labels that a query needs from its parsers. */
import { errorLabel, extractedSuffix } from '../common/error-labels.ts';

/**
 * The labels that a query uses after its parsers: all (log results, metrics without `by`) or a few. Parsers
 * extract only these, and stop when they have found all of them.
 */
export class NeededLabels {
  static readonly all = new NeededLabels(undefined);
  readonly #names: ReadonlySet<string> | undefined;
  readonly #mayStop: boolean;

  /**
   * @param mayStop parsers may stop when they have found all names. They then miss errors in the rest of a
   *   line, like Loki's in metric queries
   */
  constructor(names: ReadonlySet<string> | undefined, mayStop = true) {
    this.#names = names;
    this.#mayStop = mayStop;
  }

  get isAll(): boolean {
    return this.#names === undefined;
  }

  /** No label is needed: parsers may be left out. */
  get isNone(): boolean {
    return this.#mayStop && this.#names?.size === 0;
  }

  /**
   * A filter or the grouping names the error labels: in a metric query, rows with an error of a parser then
   * count like others.
   */
  get areErrorsNamed(): boolean {
    return this.#mayStop && (this.#names?.has(errorLabel) ?? false);
  }

  /** Number of labels after which a parser stops. */
  get enough(): number {
    return this.#mayStop && this.#names ? this.#names.size : Infinity;
  }

  /** The names; empty when all labels are needed. */
  get names(): readonly string[] {
    return this.#names ? [...this.#names] : [];
  }

  /** Whether a label of exactly this name is needed. */
  has(name: string): boolean {
    return this.#names === undefined || this.#names.has(name);
  }

  /** Whether a parser must extract `name`, under this name or as `name_extracted`. */
  wants(name: string): boolean {
    return this.#names === undefined || this.#names.has(name) || this.#names.has(name + extractedSuffix);
  }

  /** Whether a needed name may be below `prefix`, as `prefix_x`. */
  wantsBelow(prefix: string): boolean {
    if (this.#names === undefined) return true;
    const start = `${prefix}_`;
    for (const name of this.#names) if (name.startsWith(start)) return true;
    return false;
  }
}
