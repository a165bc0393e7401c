/** `npm test`: jest with its own options, and a second run of each file that fails. */
import { runTests } from './run-tests.ts';

// Jest is in the same process group and ends by itself; its exit code is waited for.
process.on('SIGINT', () => undefined);

process.exitCode = await runTests(process.argv.slice(2), (line) => console.error(line));
