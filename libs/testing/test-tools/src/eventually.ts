/** Waits in tests for a condition, never for a fixed time. */
interface EventuallyOptions {
  /** The longest wait; 100 s by default. */
  readonly withinMs?: number;
  /** Pause between two looks; 20 ms by default. */
  readonly everyMs?: number;
  /** Text to add to the failure, such as a log. */
  readonly details?: () => string;
}

/**
 * Waits until `look` returns a value, neither undefined nor false; a look that throws is repeated. Fails at
 * the end with the source of the look, and its last error as the cause.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  { withinMs = 100_000, everyMs = 20, details = () => '' }: EventuallyOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > endMs) {
      const reason = cause instanceof Error ? `\n${cause.message}` : '';
      throw new Error(`not within ${withinMs} ms: ${look.toString()}${reason}\n${details()}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Waits until all expectations of `check` hold. */
export async function eventuallyHolds(
  check: () => void | Promise<void>,
  options?: EventuallyOptions,
): Promise<void> {
  await eventually(async () => {
    await check();
    return true;
  }, options);
}
