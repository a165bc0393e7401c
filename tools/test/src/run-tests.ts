/** Runs jest; a file that fails is run once more, alone, and named when it passes then. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { failuresVariable } from './failures-reporter.ts';
import type { RunFailures } from './failures-reporter.ts';

/** Exit codes above this one name the signal that ended a process. */
const signalCode = 128;
/** More failed files than these have a common cause, which a second run would only repeat. */
const secondRunsMax = 5;

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');

/**
 * Runs jest in the working directory with the arguments given.
 *
 * @param print one line of the summary, below jest's own
 * @returns the exit code: jest's own, or 0 when each file that failed has passed alone
 */
export async function runTests(words: readonly string[], print: (line: string) => void): Promise<number> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'loki-test-'));
  try {
    const report = path.join(directory, 'failures.json');
    const exitCode = await runJest(words, report);
    if (exitCode === 0 || !existsSync(report)) return exitCode;
    const { files, testNamePattern, forceExit } = JSON.parse(readFileSync(report, 'utf8')) as RunFailures;
    // Jest fails for other reasons, too, such as a threshold of coverage.
    if (files.length === 0 || files.length > secondRunsMax) return exitCode;
    const flaky: RunFailures['files'][number][] = [];
    for (const file of files) {
      print(`\n${shown(file.path)} failed, and runs once more, alone:`);
      const name = testNamePattern === undefined ? [] : ['--testNamePattern', testNamePattern];
      const args = [
        '--runInBand',
        ...(forceExit ? ['--forceExit'] : []),
        ...name,
        '--runTestsByPath',
        file.path,
      ];
      const codeAlone = await runJest(args, undefined);
      if (codeAlone === 0) flaky.push(file);
      else if (codeAlone > signalCode) return codeAlone;
    }
    for (const { path: flakyPath, output } of flaky) {
      print(`\nFLAKY: ${shown(flakyPath)} passed when run alone; mend it. Its first failure:\n\n${output}`);
    }
    print(`\nSecond run: ${flaky.length} of ${files.length} failed files passed alone`);
    return flaky.length === files.length ? 0 : exitCode;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function shown(file: string): string {
  return path.relative(process.cwd(), file);
}

/**
 * @param report the file for the failures; undefined: none, also where a test runs this program
 * @returns the exit code; that of shells when a signal ended it
 */
function runJest(words: readonly string[], report: string | undefined): Promise<number> {
  const nodeOptions = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
  const child = spawn(process.execPath, [jest, ...words], {
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} ${nodeOptions}`,
      [failuresVariable]: report,
    },
  });
  const stop = () => void child.kill('SIGTERM');
  process.once('SIGTERM', stop);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('SIGTERM', stop);
      resolve(code ?? signalCode + os.constants.signals[signal!]);
    });
  });
}
