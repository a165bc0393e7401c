/** The system under test: processes of the product with a store of their own. */
export interface System {
  /** Address to which the cases are sent. */
  readonly url: string;
  /** All processes, by what they count. */
  readonly urls: readonly string[];
  /** A configuration that names the store. */
  readonly configText: string;
  /** Cases that cannot pass here, with the reason. */
  readonly expectedFailures: ReadonlyMap<string, string>;
  /** Until it is ready. */
  start(): Promise<void>;
  /** Throws when a process is not what it should be. */
  check(): Promise<void>;
  /** Compactors for which today is over run until `isDone`. */
  compactUntil(isDone: () => Promise<boolean>): Promise<void>;
  /** Where each process writes its log, by name. */
  readonly logs: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

/** Tried four times a second. Throws, naming what was waited for, when it takes too long. */
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

/** For which today is over; it takes the flags of an app. */
export function tomorrowCommand(target: string, args: readonly string[]): string[] {
  const main = 'tools/conform/src/tomorrow-main.ts';
  return [process.execPath, '--disable-warning=ExperimentalWarning', main, target, ...args];
}
