/**
 * Protects: an address stands for the same servers in every form that other programs' configurations have it
 * in.
 */
import type { Logger, Timers } from '@loki/ports';
import { watchAddresses } from './addresses.ts';
import type { AddressWatch } from './addresses.ts';

const hosts: Record<string, { address: string; family: 4 | 6 }[]> = {
  one: [
    { address: '10.0.0.1', family: 4 },
    { address: '10.0.0.2', family: 4 },
    { address: '::1', family: 6 },
  ],
  six: [{ address: 'fd00::1', family: 6 }],
};
const services: Record<string, { name: string; port: number; priority: number; weight: number }[]> = {
  '_memcached._tcp.cache': [
    { name: 'one', port: 11211, priority: 0, weight: 0 },
    { name: 'six', port: 11311, priority: 0, weight: 0 },
  ],
};
const names = {
  lookup: async (host: string) => Promise.resolve(hosts[host]),
  resolveSrv: async (name: string) => {
    if (!(name in services)) throw new Error(`querySrv ENOTFOUND ${name}`);
    return Promise.resolve(services[name]);
  },
} as unknown as AddressWatch['names'];

const warnings: string[] = [];
const logger: Logger = {
  debug() {},
  info() {},
  warn: (message) => void warnings.push(message),
  error() {},
  child: () => logger,
};
const due: (() => void)[] = [];
const timers: Timers = {
  after: (_, callback) => {
    due.push(callback);
    return { cancel: () => void due.splice(due.indexOf(callback), 1) };
  },
  sleep: () => Promise.resolve(),
};

/** The resolved addresses, each time that they are looked up, until `rounds` are over. */
async function seen(addresses: readonly string[], rounds = 1, between: () => void = () => {}) {
  const found: string[][] = [];
  const stop = watchAddresses({
    addresses,
    periodMs: 1000,
    defaultPort: 11211,
    timers,
    logger,
    names,
    onChange: (each) => void found.push([...each]),
  });
  for (let i = 0; i < rounds; i++) {
    while (due.length === 0) await Promise.resolve();
    between();
    if (i + 1 < rounds) due.shift()!();
  }
  stop();
  expect(due).toEqual([]);
  return found;
}

test.each([
  ['10.0.0.9:1', ['10.0.0.9:1']],
  ['[fd00::9]:1', ['[fd00::9]:1']],
  ['one:1', ['10.0.0.1:1', '10.0.0.2:1']],
  ['one', ['10.0.0.1:11211', '10.0.0.2:11211']],
  ['dns+one:1', ['10.0.0.1:1', '10.0.0.2:1']],
  ['dns:///one:1', ['10.0.0.1:1', '10.0.0.2:1']],
  ['dnssrv+_memcached._tcp.cache', ['10.0.0.1:11211', '10.0.0.2:11211', '[fd00::1]:11311']],
  ['dnssrvnoa+_memcached._tcp.cache', ['one:11211', 'six:11311']],
])('%s is %j', async (address, servers) => {
  expect(await seen([address])).toEqual([servers]);
});

test('a name that cannot be looked up changes nothing, and is told', async () => {
  let round = 0;
  const saved = services['_memcached._tcp.cache'];
  const found = await seen(['dnssrvnoa+_memcached._tcp.cache'], 3, () => {
    round++;
    if (round === 1) delete services['_memcached._tcp.cache'];
    else services['_memcached._tcp.cache'] = saved.slice(0, 1);
  });
  expect(found).toEqual([['one:11211', 'six:11311'], ['one:11211']]);
  expect(warnings).toEqual(['an address cannot be looked up; the last ones stay in use']);
});
