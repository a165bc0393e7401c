import { errorLabel, extractedSuffix } from '../common/error-labels.ts';

/**
 * Which labels a query looks at after its parsers ran: all of them (log results, metrics without `by`), or a
 * few. Parsers extract nothing else, and stop once they have found all of them.
 */
export class NeededLabels {
  static readonly all = new NeededLabels(undefined);
  readonly #names: ReadonlySet<string> | undefined;
  readonly #mayStop: boolean;

  /**
   * @param mayStop parsers may stop once they have found all names, and then miss errors in the rest of a
   *   line, as Loki's do in metric queries
   */
  constructor(names: ReadonlySet<string> | undefined, mayStop = true) {
    this.#names = names;
    this.#mayStop = mayStop;
  }

  get isAll(): boolean {
    return this.#names === undefined;
  }

  /** No label at all is needed: parsers may be left out. */
  get isNone(): boolean {
    return this.#mayStop && this.#names?.size === 0;
  }

  /**
   * A filter or the grouping names the errors: in a metric query, rows that a parser failed for count like
   * others.
   */
  get areErrorsNamed(): boolean {
    return this.#mayStop && (this.#names?.has(errorLabel) ?? false);
  }

  /** After so many labels a parser stops. */
  get enough(): number {
    return this.#mayStop && this.#names ? this.#names.size : Infinity;
  }

  /** The names, when they are few. */
  get names(): readonly string[] {
    return this.#names ? [...this.#names] : [];
  }

  /** A label of exactly this name is asked for. */
  has(name: string): boolean {
    return this.#names === undefined || this.#names.has(name);
  }

  /** Whether a parser has to find `name`, under this name or as `name_extracted`. */
  wants(name: string): boolean {
    return this.#names === undefined || this.#names.has(name) || this.#names.has(name + extractedSuffix);
  }

  /** Some needed name may lie below `prefix`, as `prefix_x`. */
  wantsBelow(prefix: string): boolean {
    if (this.#names === undefined) return true;
    const start = `${prefix}_`;
    for (const name of this.#names) if (name.startsWith(start)) return true;
    return false;
  }
}
