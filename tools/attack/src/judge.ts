/** The invariant during every attack, and the faults that an attack caused. */

/** Times of the other tenant's requests, in milliseconds; NaN: failed. */
export interface Probes {
  readonly ready: readonly number[];
  readonly push: readonly number[];
  readonly query: readonly number[];
  /** Absent: not asked. */
  readonly labels?: readonly number[];
}

export interface Observed {
  readonly probes: Probes;
  /** Resident memory at most, in bytes. */
  readonly memoryBytes: number;
  readonly isAlive: boolean;
  /** Answers to the attacker by their status; 0: the connection ended without one. */
  readonly statuses: ReadonlyMap<number, number>;
}

interface Invariant {
  readonly p99MsMax: number;
  readonly mostMsMax: number;
  readonly memoryBytesMax: number;
  /** Statuses that are right answers to the attacker. */
  readonly statuses: readonly number[];
}

/** Faults in sentences; none: the attack had no effect. */
export function judge(observed: Observed, invariant: Invariant): string[] {
  const faults: string[] = [];
  if (!observed.isAlive) faults.push('the process ended');
  for (const [name, times] of Object.entries(observed.probes) as [string, readonly number[]][]) {
    const failures = times.filter(Number.isNaN).length;
    if (failures > 0) faults.push(`${failures} of ${times.length} requests of ${name} failed`);
    const { p99, most } = spread(times);
    if (times.length === failures) faults.push(`no request of ${name} was answered`);
    if (p99 > invariant.p99MsMax) faults.push(`${name} took ${Math.round(p99)} ms (p99)`);
    if (most > invariant.mostMsMax) faults.push(`${name} took ${Math.round(most)} ms (most)`);
  }
  if (observed.memoryBytes > invariant.memoryBytesMax) {
    faults.push(`memory reached ${mib(observed.memoryBytes)} MiB of ${mib(invariant.memoryBytesMax)} MiB`);
  }
  for (const [status, count] of observed.statuses) {
    if (!invariant.statuses.includes(status)) faults.push(`${count} answers had the status ${status}`);
  }
  return faults;
}

/** Latency of answered requests: the 99th percentile, and the maximum. */
export function spread(times: readonly number[]): { p50: number; p99: number; most: number } {
  const sorted = times.filter((ms) => !Number.isNaN(ms)).sort((a, b) => a - b);
  const at = (quantile: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? 0 };
}

export function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
