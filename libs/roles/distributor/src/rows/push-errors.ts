/**
 * Characters in the text of one answer; further errors are only counted. Logs of proxies and agents take no
 * more.
 */
const textBytesMax = 64 * 1024;

/**
 * Collects the errors of a push's entries. A push of a million bad lines must not make a message of a million
 * lines: equal errors are counted, and the texts of each stream are bounded.
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

  /** One error as its text; several as `2 errors like: …; 1 errors like: …`. */
  text(): string {
    if (this.#total === 1) return this.#counts.keys().next().value!;
    let joined = '';
    let left = this.#total;
    for (const [text, count] of this.#counts) {
      if (joined !== '' && joined.length + text.length > textBytesMax) {
        return `${joined}; and ${left} more errors`;
      }
      joined += `${joined === '' ? '' : '; '}${count} errors like: ${text}`;
      left -= count;
    }
    return joined;
  }
}
