/** Starts the process again with settings of allocator and garbage collector: before every story. */
import fs from 'node:fs';
import os from 'node:os';
import process from 'node:process';

/**
 * Bound of glibc's allocator: larger buffers get mappings of their own, and return to the system when they
 * are freed; so does the free end of an arena. By default the bound rises to 32 MiB with the first large
 * buffer, and each thread keeps twice that of unused memory: of 600 MiB after a load 200 were in use. Lines
 * of a decoded block take just below a mebibyte, and 190 MiB of them would stay with the threads. Bounds of
 * 64 to 256 KiB cost more faults than they save: 7 % of CPU.
 */
const largeBufferBytesDefault = 768 * 1024;

const boundVariables = ['MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'];

/**
 * Threads beyond this number share arenas: what one has freed another one uses. By default each of the
 * some fifteen threads has an arena. One arena for all costs 15 % of CPU; with one more than processors 360
 * MiB are resident while lines are pushed, not 371, for 18.1 CPU s/GB and 18.2 (means of four pairs).
 */
const arenasVariable = 'MALLOC_ARENA_MAX';
const arenasLeast = 3;

/**
 * Bound of V8's young generation in each thread, in MiB; V8 takes three times as much. It holds no buffers,
 * and few other objects outlive a request, so that the default of 16 costs 40 MiB a thread and saves no time.
 */
const semiSpaceMib = 4;

/**
 * V8's default number of helper threads, which compile and collect garbage. More than there are processors
 * save no time, and each takes 5 MiB.
 */
const helpersMost = 4;

/** Words of a process's command line, the program first, and its environment. */
interface Command {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Restarts this program in the same process with the settings, unless it has them. The operator's own
 * settings stay: with one of the allocator's bounds set, none is changed.
 *
 * Call it before any other import: it costs 40 ms of CPU. It does nothing on systems other than Linux.
 *
 * @param largeBufferBytes bound of the allocator; default 768 KiB
 */
export function takeMemorySettings(largeBufferBytes = largeBufferBytesDefault): void {
  if (process.platform !== 'linux' || !process.execve) return;
  const words = commandLine();
  if (!words) return;
  const env = Object.fromEntries(Object.entries(process.env).filter((each) => each[1] !== undefined));
  const command = withSettings({ words, env: env as Record<string, string> }, largeBufferBytes);
  if (command) process.execve(process.execPath, command.words, command.env);
}

/**
 * The command with the settings; undefined: it has them.
 *
 * @param processors that the process may use
 */
export function withSettings(
  { words, env }: Command,
  largeBufferBytes = largeBufferBytesDefault,
  processors = os.availableParallelism(),
): Command | undefined {
  if (boundVariables.some((name) => name in env)) return undefined;
  const [program, ...rest] = words;
  const flags = [
    ['--max-semi-space-size', semiSpaceMib],
    ['--v8-pool-size', Math.min(processors, helpersMost)],
  ] as const;
  const isGiven = (flag: string) => [...rest, env['NODE_OPTIONS'] ?? ''].some((word) => word.includes(flag));
  const added = flags.filter(([flag]) => !isGiven(flag)).map(([flag, value]) => `${flag}=${value}`);
  const bounds = Object.fromEntries(boundVariables.map((name) => [name, String(largeBufferBytes)]));
  const arenas = String(Math.max(processors + 1, arenasLeast));
  return { words: [program, ...added, ...rest], env: { [arenasVariable]: arenas, ...env, ...bounds } };
}

/**
 * Read from /proc, because a launcher may have changed `process.argv`. Undefined: the system has no /proc.
 */
function commandLine(): string[] | undefined {
  try {
    return fs.readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1);
  } catch {
    return undefined;
  }
}
