/**
 * Collects what is wrong with a push's entries. A push of a million bad lines must not make a message of a million
 * lines: errors are counted by text, and each stream may add only so many.
 */
export class PushErrors {
  readonly #counts = new Map<string, number>();
  #total = 0;

  add(text: string): void {
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1);
    this.#total++;
  }

  get isEmpty(): boolean {
    return this.#total === 0;
  }

  /** One error as it is; several as `2 errors like: …; 1 errors like: …`. */
  text(): string {
    if (this.#total === 1) return this.#counts.keys().next().value!;
    return Array.from(this.#counts, ([text, count]) => `${count} errors like: ${text}`).join('; ');
  }
}
