/** File descriptors, which connections share with files, threads and the connections to other processes. */

/** Descriptors that a process needs at rest: threads, pipes, log files of partitions. */
const atRest = 64;

/** More processes than that make no cluster, and pushers by gRPC are few. */
const rpcConnectionsMost = 10_000;

/** Connections that the gRPC port takes: a quarter of the descriptors. 0: no bound. */
export function rpcConnectionsMaxOf(descriptors: number): number {
  if (!Number.isFinite(descriptors)) return 0;
  return Math.max(1, Math.min(Math.floor(descriptors / 4), rpcConnectionsMost));
}

/**
 * Connections of clients that one port takes: half of the descriptors that gRPC leaves, or all but some
 * hundreds where there are many.
 *
 * @param given the configured bound; 0: none
 * @param descriptors Infinity: unbounded
 */
export function connectionsMaxOf(given: number, descriptors: number): number {
  if (!Number.isFinite(descriptors)) return given;
  const rest = descriptors - rpcConnectionsMaxOf(descriptors);
  const fitting = Math.max(1, Math.floor(Math.max(rest / 2, rest - atRest * 8)));
  return given > 0 ? Math.min(given, fitting) : fitting;
}

/** `ulimit -n` of this process, which Node raises to the hard limit. */
export function descriptorsMax(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  const limit = userLimits?.open_files?.soft;
  return typeof limit === 'number' ? limit : Infinity;
}
