/** Reporter of jest: writes the files that failed where `npm test` reads them. */
import { writeFileSync } from 'node:fs';

/** The failures of one run. */
export interface RunFailures {
  readonly files: readonly FailedFile[];
  /** The pattern of test names that the run selects. */
  readonly testNamePattern: string | undefined;
  /** The run does not wait for connections that tests leave open. */
  readonly forceExit: boolean;
}

interface FailedFile {
  readonly path: string;
  /** The text of its failures, as jest prints them. */
  readonly output: string;
}

/** The parts of jest's configuration and results that are used here. */
interface RunConfig {
  readonly bail: number;
  readonly forceExit: boolean;
  readonly watch: boolean;
  readonly watchAll: boolean;
  readonly testNamePattern?: string;
}

interface RunResults {
  readonly wasInterrupted: boolean;
  readonly testResults: readonly {
    readonly testFilePath: string;
    readonly failureMessage?: string | null;
  }[];
}

/** The variable that names the file to write; without it the reporter writes nothing. */
export const failuresVariable = 'LOKI_TEST_FAILURES';

/** Writes no file when the run was not complete: a second run of its failures would prove nothing. */
export default class FailuresReporter {
  readonly #config: RunConfig;

  constructor(config: RunConfig) {
    this.#config = config;
  }

  onRunComplete(_contexts: unknown, { wasInterrupted, testResults }: RunResults): void {
    const path = process.env[failuresVariable];
    const { bail, forceExit, watch, watchAll, testNamePattern } = this.#config;
    if (path === undefined || wasInterrupted || bail > 0 || watch || watchAll) return;
    const files = testResults.flatMap(({ testFilePath, failureMessage }) =>
      failureMessage ? [{ path: testFilePath, output: failureMessage }] : [],
    );
    const failures: RunFailures = { files, testNamePattern, forceExit };
    writeFileSync(path, JSON.stringify(failures));
  }
}
