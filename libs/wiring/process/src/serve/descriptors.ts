/** File descriptors, which connections share with files, threads and the connections to other processes. */

/** Descriptors that a process needs at rest: threads, pipes, log files of partitions. */
const atRest = 64;

/**
 * Connections of clients that one port takes: half of the descriptors, or all but some hundreds where there
 * are many.
 *
 * @param given the configured bound; 0: none
 * @param descriptors Infinity: unbounded
 */
export function connectionsMaxOf(given: number, descriptors: number): number {
  const left = Math.max(descriptors / 2, descriptors - atRest * 8);
  if (!Number.isFinite(left)) return given;
  const fitting = Math.max(1, Math.floor(left));
  return given > 0 ? Math.min(given, fitting) : fitting;
}

/** `ulimit -n` of this process, which Node raises to the hard limit. */
export function descriptorsMax(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  const limit = userLimits?.open_files?.soft;
  return typeof limit === 'number' ? limit : Infinity;
}
