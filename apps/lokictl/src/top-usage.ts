/** Adds up the usage of all processes, and lists tenants near a limit: for `lokictl top`. */
import type { PartitionsAnswer } from './partitions.ts';

/** The usage of a tenant in one process, as `/usage` says it: counters since the start of the process. */
interface TenantCounters {
  readonly tenant: string;
  readonly receivedBytes: number;
  readonly receivedLines: number;
  readonly refusedLines: number;
  readonly streams: number;
  readonly headBytes: number;
  readonly queryParts: number;
  readonly waitingParts: number;
  readonly scannedBytes: number;
  readonly streamsMax?: number;
  readonly rateBytesMax?: number;
  readonly isRateOfEach?: boolean;
}

interface ProcessCounters {
  readonly instance: string;
  readonly target: string;
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly memoryBytes: number;
  readonly headBytes: number;
  readonly headBytesMax: number;
  readonly tenants: readonly TenantCounters[];
  readonly tenantCount: number;
}

/** The answer of `/usage`. */
export interface UsageAnswer {
  readonly processes: readonly ProcessCounters[];
  readonly failures: readonly { readonly instance: string; readonly error: string }[];
}

/** Everything at one moment. */
export interface Sample {
  readonly usage: UsageAnswer;
  readonly partitions: PartitionsAnswer;
}

/** Rates are per second, between two samples. */
interface TenantUsage {
  readonly tenant: string;
  bytesRate: number;
  linesRate: number;
  refusedRate: number;
  streams: number;
  headBytes: number;
  queryPartsRate: number;
  waitingParts: number;
  scannedRate: number;
}

interface ProcessUsage {
  readonly instance: string;
  readonly target: string;
  /** Processors that are busy. */
  readonly cpus: number;
  readonly residentBytes: number;
  readonly memoryBytes: number;
  readonly headBytes: number;
  readonly headBytesMax: number;
}

interface PartitionUsage {
  readonly partition: number;
  readonly leader: string | undefined;
  /** Records that are not read yet; undefined: the log does not answer. */
  readonly lag: number | undefined;
  readonly headBytes: number;
  readonly isCaughtUp: boolean;
}

/** Something at 80 % of its limit and more, or a fault. */
interface Warning {
  /** Of the limit; undefined: a fault. */
  readonly share: number | undefined;
  readonly text: string;
}

/** The content of a page of `lokictl top`. */
export interface SystemUsage {
  readonly warnings: readonly Warning[];
  readonly processes: readonly ProcessUsage[];
  readonly tenants: readonly TenantUsage[];
  readonly partitions: readonly PartitionUsage[];
  readonly failures: UsageAnswer['failures'];
}

/** Share of a limit from which on it is shown. */
const nearShare = 0.8;

/** Orders of tenants by the names that `--by` takes. */
export const tenantOrders = {
  bytes: ({ bytesRate }: TenantUsage) => bytesRate,
  streams: ({ streams }: TenantUsage) => streams,
  queries: ({ queryPartsRate, waitingParts }: TenantUsage) => queryPartsRate + waitingParts,
  scanned: ({ scannedRate }: TenantUsage) => scannedRate,
  memory: ({ headBytes }: TenantUsage) => headBytes,
} as const;

/** The usage between two samples; equal ones give no rates. */
export function usageOf(before: Sample, now: Sample, order: keyof typeof tenantOrders): SystemUsage {
  const size = tenantOrders[order];
  const tenants = tenantsOf(before.usage, now.usage).sort(
    (a, b) => size(b) - size(a) || b.bytesRate - a.bytesRate || (a.tenant < b.tenant ? -1 : 1),
  );
  const processes = processesOf(before.usage, now.usage);
  const partitions = partitionsOf(now.partitions);
  const warnings = [
    ...tenantWarnings(now.usage, tenants),
    ...processWarnings(processes),
    ...partitionWarnings(partitions),
  ].sort((a, b) => (b.share ?? Infinity) - (a.share ?? Infinity));
  const failures = new Map(
    [...now.usage.failures, ...now.partitions.failures].map((each) => [each.instance, each]),
  );
  return { warnings, processes, tenants, partitions, failures: [...failures.values()] };
}

function secondsBetween(before: ProcessCounters | undefined, now: ProcessCounters): number {
  return before ? (now.atMs - before.atMs) / 1000 : 0;
}

/** A counter that fell was begun anew by a restart, and then counted up to its value. */
function rateOf(before: number | undefined, now: number, seconds: number): number {
  if (before === undefined || !(seconds > 0)) return 0;
  return (now >= before ? now - before : now) / seconds;
}

function tenantsOf(before: UsageAnswer, now: UsageAnswer): TenantUsage[] {
  const tenants = new Map<string, TenantUsage>();
  for (const process of now.processes) {
    const former = before.processes.find(({ instance, target }) => {
      return instance === process.instance && target === process.target;
    });
    const seconds = secondsBetween(former, process);
    const formerTenants = new Map(former?.tenants.map((each) => [each.tenant, each]));
    for (const counters of process.tenants) {
      const { tenant } = counters;
      // A tenant that was not there has counted from zero.
      const last = formerTenants.get(tenant);
      const rate = (
        name: 'receivedBytes' | 'receivedLines' | 'refusedLines' | 'queryParts' | 'scannedBytes',
      ) => rateOf(former && (last?.[name] ?? 0), counters[name], seconds);
      const sum = tenants.get(tenant) ?? emptyUsage(tenant);
      sum.bytesRate += rate('receivedBytes');
      sum.linesRate += rate('receivedLines');
      sum.refusedRate += rate('refusedLines');
      sum.queryPartsRate += rate('queryParts');
      sum.scannedRate += rate('scannedBytes');
      sum.streams += counters.streams;
      sum.headBytes += counters.headBytes;
      sum.waitingParts += counters.waitingParts;
      tenants.set(tenant, sum);
    }
  }
  return [...tenants.values()];
}

function emptyUsage(tenant: string): TenantUsage {
  const ingest = { bytesRate: 0, linesRate: 0, refusedRate: 0, streams: 0, headBytes: 0 };
  return { tenant, ...ingest, queryPartsRate: 0, waitingParts: 0, scannedRate: 0 };
}

function processesOf(before: UsageAnswer, now: UsageAnswer): ProcessUsage[] {
  return now.processes.map((process) => {
    const { instance, target, residentBytes, memoryBytes, headBytes, headBytesMax } = process;
    const former = before.processes.find((each) => each.instance === instance && each.target === target);
    const cpus = rateOf(former?.cpuSeconds, process.cpuSeconds, secondsBetween(former, process));
    return { instance, target, cpus, residentBytes, memoryBytes, headBytes, headBytesMax };
  });
}

/** The largest lag first. */
function partitionsOf({ partitions }: PartitionsAnswer): PartitionUsage[] {
  const usages = partitions.map(({ partition, instances }): PartitionUsage => {
    const leader = instances.find(({ isLeader }) => isLeader);
    return {
      partition,
      leader: leader?.instance,
      lag: leader?.endOffset === undefined ? undefined : leader.endOffset - leader.consumedOffset,
      headBytes: leader?.headBytes ?? 0,
      isCaughtUp: leader?.isCaughtUp ?? false,
    };
  });
  const size = ({ lag }: PartitionUsage) => lag ?? Infinity;
  return usages.sort((a, b) => (size(b) === size(a) ? b.headBytes - a.headBytes : size(b) - size(a)));
}

function tenantWarnings(now: UsageAnswer, tenants: readonly TenantUsage[]): Warning[] {
  const warnings: Warning[] = [];
  const distributors = now.processes.filter(({ target }) =>
    /\b(all|write|distributor)\b/.test(target),
  ).length;
  for (const { tenant, streams, bytesRate, refusedRate, waitingParts } of tenants) {
    const limits = now.processes.flatMap((process) =>
      process.tenants.filter((each) => each.tenant === tenant),
    );
    const { streamsMax = 0, rateBytesMax = 0, isRateOfEach } = limits.at(-1) ?? {};
    const rateMax = rateBytesMax * (isRateOfEach ? Math.max(1, distributors) : 1);
    near(warnings, streams, streamsMax, `tenant ${tenant}: ${streams} streams of ${streamsMax}`);
    const rates = `${(bytesRate / mib).toFixed(1)} MiB/s of ${(rateMax / mib).toFixed(1)}`;
    near(warnings, bytesRate, rateMax, `tenant ${tenant}: ingests ${rates}`);
    if (refusedRate > 0) {
      warnings.push({
        share: undefined,
        text: `tenant ${tenant}: ${refusedRate.toFixed(1)} lines/s are refused`,
      });
    }
    if (waitingParts > 0) {
      warnings.push({ share: undefined, text: `tenant ${tenant}: ${waitingParts} parts of queries wait` });
    }
  }
  return warnings;
}

const mib = 2 ** 20;

function processWarnings(processes: readonly ProcessUsage[]): Warning[] {
  const warnings: Warning[] = [];
  const mibText = (bytes: number) => (bytes / mib).toFixed(0);
  for (const { instance, residentBytes, memoryBytes, headBytes, headBytesMax } of processes) {
    const memory = `${mibText(residentBytes)} MiB of ${mibText(memoryBytes)}`;
    near(warnings, residentBytes, memoryBytes, `process ${instance}: memory ${memory}`);
    const heads = `${mibText(headBytes)} MiB of ${mibText(headBytesMax)}`;
    near(warnings, headBytes, headBytesMax, `process ${instance}: rows in memory ${heads}`);
  }
  return warnings;
}

function partitionWarnings(partitions: readonly PartitionUsage[]): Warning[] {
  return partitions.flatMap(({ partition, leader, lag, isCaughtUp }) => {
    const text =
      leader === undefined
        ? 'no ingester flushes it'
        : lag === undefined
          ? 'its log does not answer'
          : isCaughtUp
            ? undefined
            : `${lag} records are not read yet`;
    return text === undefined ? [] : [{ share: undefined, text: `partition ${partition}: ${text}` }];
  });
}

function near(warnings: Warning[], used: number, max: number, text: string): void {
  const share = max > 0 ? used / max : 0;
  if (share >= nearShare) warnings.push({ share, text });
}
