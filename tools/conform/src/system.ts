/** The system under test: processes of the product with a store of their own. */
export interface System {
  /** Address to which the cases are sent. */
  readonly url: string;
  /** All processes, whose metrics are read. */
  readonly urls: readonly string[];
  /** A configuration that names the store. */
  readonly configText: string;
  /** Cases that cannot pass here, with the reason. */
  readonly expectedFailures: ReadonlyMap<string, string>;
  /** Resolves when it is ready. */
  start(): Promise<void>;
  /** Throws when a process has not the expected components. */
  check(): Promise<void>;
  /** Runs compactors with the clock of tomorrow until `isDone`. */
  compactUntil(isDone: () => Promise<boolean>): Promise<void>;
  /** The log file of each process, by name. */
  readonly logs: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

/** Polls four times a second. Throws with the name of the state when it takes too long. */
export async function waitFor(
  state: string,
  isSo: () => Promise<boolean>,
  timeoutMs = 120_000,
): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`it took too long: ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** A compactor with the clock of tomorrow; it takes the flags of an app. */
export function tomorrowCommand(target: string, args: readonly string[]): string[] {
  const main = 'tools/conform/src/tomorrow-main.ts';
  return [process.execPath, '--disable-warning=ExperimentalWarning', main, target, ...args];
}
