/** Starts the process again with settings of allocator and garbage collector: before every story. */
import fs from 'node:fs';
import process from 'node:process';

/**
 * Bound of glibc's allocator: buffers of a mebibyte or more get mappings of their own, and return to the
 * system when they are freed; so does the free end of an arena. By default the bound rises to 32 MiB with the
 * first large buffer, and each thread keeps twice that of unused memory: of 600 MiB after a load 200 were in
 * use. Smaller bounds cost more faults than they save: 7 % of CPU at 64 to 256 KiB. One arena for all threads
 * would leave 50 MiB less after a load, for 15 % of CPU.
 */
const largeBufferBytesDefault = 2 ** 20;

const allocatorVariables = ['MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'];

/**
 * Bound of V8's young generation in each thread, in MiB; V8 takes three times as much. It holds no buffers,
 * and few other objects outlive a request, so that the default of 16 costs 40 MiB a thread and saves no time.
 */
const semiSpaceFlag = '--max-semi-space-size';
const semiSpaceMib = 4;

/** Words of a process's command line, the program first, and its environment. */
interface Command {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Restarts this program in the same process with the settings, unless it has them. The operator's own
 * settings stay: with one of the allocator's variables set, none is changed.
 *
 * Call it before any other import: it costs 40 ms of CPU. It does nothing on systems other than Linux.
 *
 * @param largeBufferBytes bound of the allocator; default 1 MiB
 */
export function takeMemorySettings(largeBufferBytes = largeBufferBytesDefault): void {
  if (process.platform !== 'linux' || !process.execve) return;
  const words = commandLine();
  if (!words) return;
  const env = Object.fromEntries(Object.entries(process.env).filter((each) => each[1] !== undefined));
  const command = withSettings({ words, env: env as Record<string, string> }, largeBufferBytes);
  if (command) process.execve(process.execPath, command.words, command.env);
}

/** The command with the settings; undefined: it has them. */
export function withSettings(
  { words, env }: Command,
  largeBufferBytes = largeBufferBytesDefault,
): Command | undefined {
  if (allocatorVariables.some((name) => name in env)) return undefined;
  const [program, ...rest] = words;
  const hasFlag = [...rest, env['NODE_OPTIONS'] ?? ''].some((word) => word.includes(semiSpaceFlag));
  const flags = hasFlag ? [] : [`${semiSpaceFlag}=${semiSpaceMib}`];
  const bounds = allocatorVariables.map((name) => [name, String(largeBufferBytes)]);
  return { words: [program, ...flags, ...rest], env: { ...env, ...Object.fromEntries(bounds) } };
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
