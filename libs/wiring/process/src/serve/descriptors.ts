/** Bounds on connections, from the file descriptors of the process. */

/** Descriptors that a process needs without load: threads, pipes, log files of partitions. */
const atRest = 64;

/** Upper bound of gRPC connections: no cluster has more processes, and few clients push by gRPC. */
const rpcConnectionsMost = 10_000;

/** Most connections of the gRPC port: a quarter of the descriptors. 0: no bound. */
export function rpcConnectionsMaxOf(descriptors: number): number {
  if (!Number.isFinite(descriptors)) return 0;
  return Math.max(1, Math.min(Math.floor(descriptors / 4), rpcConnectionsMost));
}

/**
 * Connections of clients that one port takes: half of the descriptors that gRPC leaves, or all but some
 * hundreds where there are many.
 *
 * @param connectionsMax the configured bound; 0: none
 * @param descriptors Infinity: unbounded
 */
export function connectionsMaxOf(connectionsMax: number, descriptors: number): number {
  if (!Number.isFinite(descriptors)) return connectionsMax;
  const available = descriptors - rpcConnectionsMaxOf(descriptors);
  const fitting = Math.max(1, Math.floor(Math.max(available / 2, available - atRest * 8)));
  return connectionsMax > 0 ? Math.min(connectionsMax, fitting) : fitting;
}

/** `ulimit -n` of this process, which Node raises to the hard limit. */
export function descriptorsMax(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  const limit = userLimits?.open_files?.soft;
  return typeof limit === 'number' ? limit : Infinity;
}
