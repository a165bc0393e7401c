import { chooseServer } from './choose-server.ts';

// Protects one choice for all: all processes look for a key on the same server, and a server that comes or
// goes takes its own keys alone.

const keys = Array.from({ length: 20_000 }, (_, i) => `lokits/results/tenant/${i}`);
const servers = ['10.0.0.1:11211', '10.0.0.2:11211', '10.0.0.3:11211', '10.0.0.4:11211'];

test('the order in which servers are known makes no difference', () => {
  const other = servers.toReversed();
  expect(keys.filter((key) => chooseServer(key, other) !== chooseServer(key, servers))).toEqual([]);
});

test('servers have about as many keys each', () => {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const server = chooseServer(key, servers);
    counts.set(server, (counts.get(server) ?? 0) + 1);
  }
  for (const server of servers) {
    expect(counts.get(server)).toBeGreaterThan(4500);
    expect(counts.get(server)).toBeLessThan(5500);
  }
});

test('when a server goes, only its keys move, and they are shared out', () => {
  const [gone, ...left] = servers;
  const moved = new Map<string, number>();
  let strayed = 0;
  for (const key of keys) {
    const before = chooseServer(key, servers);
    const after = chooseServer(key, left);
    if (before !== gone) strayed += after === before ? 0 : 1;
    else moved.set(after, (moved.get(after) ?? 0) + 1);
  }
  expect(strayed).toBe(0);
  for (const server of left) expect(moved.get(server)).toBeGreaterThan(1300);
});
