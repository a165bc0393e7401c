/** Protects users and proxies from waiting with the agents that flood a server from other addresses. */
import { AddressesOfOne } from './addresses-of-one.ts';

function testAddresses() {
  let nowMs = 0;
  const clock = { nowMs: () => 0, nowNs: () => 0n, monotonicMs: () => nowMs };
  return { addresses: new AddressesOfOne(clock), pass: (ms: number) => (nowMs += ms) };
}

test('an address is of one tenant while it only pushes for it', () => {
  const { addresses } = testAddresses();
  expect(addresses.holderOf('10.0.0.1')).toBeUndefined();
  for (let i = 0; i < 3; i++) addresses.note('10.0.0.1', 'noisy');
  expect(addresses.holderOf('10.0.0.1')).toBe('noisy');
  expect(addresses.holderOf('10.0.0.2')).toBeUndefined();
});

test.each([
  ['other requests', undefined],
  ['pushes of two tenants', 'quiet'],
])('an address with %s is of one tenant again after 20 seconds without them', (_, other) => {
  const { addresses, pass } = testAddresses();
  addresses.note('10.0.0.1', other);
  addresses.note('10.0.0.1', 'noisy');
  pass(19_000);
  addresses.note('10.0.0.1', other);
  addresses.note('10.0.0.1', 'noisy');
  pass(19_000);
  expect(addresses.holderOf('10.0.0.1')).toBeUndefined();
  pass(1_000);
  expect(addresses.holderOf('10.0.0.1')).toBe('noisy');
});

test('an address that never pushed is of no tenant', () => {
  const { addresses, pass } = testAddresses();
  addresses.note('10.0.0.1', undefined);
  pass(60_000);
  expect(addresses.holderOf('10.0.0.1')).toBeUndefined();
});
