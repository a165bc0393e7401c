/** Text of one answer: what follows is only counted. A proxy's or an agent's log takes no more anyway. */
const textBytesMax = 64 * 1024;

/**
 * Collects what is wrong with a push's entries. A push of a million bad lines must not make a message of a
 * million lines: errors are counted by text, and each stream may add only so many.
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
