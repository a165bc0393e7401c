/** Runs programs and collects their output. */
import { spawn } from 'node:child_process';

interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly directory?: string;
}

/** Result of a program that has ended. */
export interface Outcome {
  readonly isGood: boolean;
  readonly stdout: string;
  /** Everything that it printed. */
  readonly text: string;
}

/** Longest run of a program: a build of Kubernetes on a busy machine. */
const runMsMax = 3 * 3_600_000;

/** Runs a program to its end; a failure is a result, too. */
export function attempt(
  file: string,
  args: readonly string[],
  { input, env, directory }: RunOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      cwd: directory,
      timeout: runMsMax,
    });
    let stdout = '';
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      stdout += part;
      text += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.stdin.on('error', () => undefined); // A program may end before it has read its whole input.
    child.stdin.end(input ?? '');
    child.once('error', reject);
    child.once('close', (code) => resolve({ isGood: code === 0, stdout, text }));
  });
}

/**
 * Like `attempt`, for a program that must succeed.
 *
 * @returns its standard output
 */
export async function run(file: string, args: readonly string[], options?: RunOptions): Promise<string> {
  const { isGood, stdout, text } = await attempt(file, args, options);
  if (!isGood) throw new Error(`${file} ${args.join(' ')}\n${text.slice(-4000)}`);
  return stdout;
}
