/** Prints each check at its end, and counts them. */
export class Checks {
  #passed = 0;
  #failed = 0;

  check(name: string, isGood: boolean, details: string): void {
    if (isGood) this.#passed++;
    else this.#failed++;
    console.log(`${isGood ? 'ok    ' : 'FAILED'} ${name}: ${details}`);
  }

  /** @returns the exit code */
  finish(): number {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed > 0 ? 1 : 0;
  }
}
