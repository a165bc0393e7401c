/** Names and addresses: of this process in a ring, and of services by DNS. */
import dns from 'node:dns/promises';
import net from 'node:net';
import os from 'node:os';
import type { Config, MemberRingConfig } from '@loki/config';
import type { Logger, TimerHandle, Timers } from '@loki/ports';

/** The name of this process in a ring. */
export function instanceIdOf(ring: MemberRingConfig): string {
  return ring.instanceId || os.hostname();
}

/** The address of this process's gRPC port for other members of a ring. */
export function instanceAddressOf(config: Config, ring: MemberRingConfig, boundPort: number): string {
  const host = ring.instanceAddr || listenHost(config) || firstAddress() || '127.0.0.1';
  const port = ring.instancePort || boundPort;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The configured listen address, unless it means "all addresses". */
function listenHost(config: Config): string {
  const { grpcListenAddress } = config.server;
  return ['0.0.0.0', '::'].includes(grpcListenAddress) ? '' : grpcListenAddress;
}

function firstAddress(): string | undefined {
  const all = Object.values(os.networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

export interface AddressWatch {
  readonly addresses: readonly string[];
  readonly periodMs: number;
  /** Port of addresses without one. Default: 9095, gRPC's. */
  readonly defaultPort?: number;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Resolver of names. Default: the machine's. */
  readonly names?: Names;
  /** Called with every `host:port` behind the names: first at the start, then after each change. */
  readonly onChange: (addresses: ReadonlySet<string>) => void;
}

/** Resolves names periodically; returns a function that stops this. */
export function watchAddresses(watch: AddressWatch): () => void {
  let last = '';
  let timer: TimerHandle | undefined;
  let isStopped = false;
  const look = async () => {
    try {
      const addresses = new Set(
        (await Promise.all(watch.addresses.map((address) => resolve(address, watch)))).flat(),
      );
      const text = [...addresses].sort().join();
      if (!isStopped && text !== last) {
        last = text;
        watch.onChange(addresses);
      }
    } catch (error) {
      watch.logger.warn('an address cannot be looked up; the last ones stay in use', { err: String(error) });
    }
    if (!isStopped) timer = watch.timers.after(watch.periodMs, () => void look());
  };
  void look();
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}

type Names = Pick<typeof dns, 'lookup' | 'resolveSrv'>;

async function resolve(
  address: string,
  { names = dns, defaultPort = 9095 }: Pick<AddressWatch, 'names' | 'defaultPort'>,
): Promise<string[]> {
  const service = /^dnssrv(noa)?\+(.+)$/.exec(address);
  if (service) return resolveService(service[2], names, service[1] === undefined);
  // `dns:///` and similar prefixes are notations of other gRPC clients.
  const plain = address.replace(/^dns(\+|:\/+)/, '').replace(/^\/+/, '');
  const colon = plain.lastIndexOf(':');
  const host = colon < 0 ? plain : plain.slice(0, colon);
  const port = colon < 0 ? String(defaultPort) : plain.slice(colon + 1);
  if (net.isIP(host.replace(/^\[|\]$/g, '')) > 0) return [`${host}:${port}`];
  const hostAddresses = await names.lookup(host, { all: true });
  // One family only: otherwise a host with two addresses would count as two hosts.
  const families = hostAddresses.filter(({ family }) => family === hostAddresses[0].family);
  return families.map((each) => `${each.family === 6 ? `[${each.address}]` : each.address}:${port}`);
}

/** The targets of SRV records, `_port._tcp.name`; their hosts are resolved, or kept as names. */
async function resolveService(name: string, names: Names, looksUpHosts: boolean): Promise<string[]> {
  const records = await names.resolveSrv(name);
  const named = records.map((record) => `${record.name}:${record.port}`);
  return looksUpHosts ? (await Promise.all(named.map((each) => resolve(each, { names })))).flat() : named;
}
