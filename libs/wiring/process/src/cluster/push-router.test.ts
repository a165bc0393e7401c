/** Protects where pushes go: to a distributor that knows the tenant, as long as it keeps up and answers. */
import { parseTenantId } from '@loki/model';
import { pushOrder } from './push-router.ts';
import type { PushCandidate } from './push-router.ts';

const addresses = ['10.0.0.1:9095', '10.0.0.2:9095', '10.0.0.3:9095'];
const idle = addresses.map((address): PushCandidate => ({ address, inflight: 0, isSuspect: false }));
const tenants = Array.from({ length: 300 }, (_, i) => parseTenantId(`tenant-${i}`));
const first = (tenant: (typeof tenants)[number], candidates: readonly PushCandidate[]) =>
  pushOrder(tenant, candidates)[0].address;

test('a tenant has one distributor, whatever the turn, and tenants are spread', () => {
  const counts = new Map<string, number>();
  for (const tenant of tenants) {
    const chosen = first(tenant, idle);
    expect(first(tenant, idle.toReversed())).toBe(chosen);
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
  }
  for (const address of addresses) expect(counts.get(address)).toBeGreaterThan(60);
});

test('when a distributor goes, only its tenants move', () => {
  for (const tenant of tenants) {
    const before = first(tenant, idle);
    const after = first(tenant, idle.slice(1));
    if (before !== addresses[0]) expect(after).toBe(before);
  }
});

test('a distributor that falls behind the others gives way to the idlest, and one that does not answer to all', () => {
  const [tenant] = tenants;
  const chosen = first(tenant, idle);
  const withChosen = (change: Partial<PushCandidate>) =>
    idle.map((each) => (each.address === chosen ? { ...each, ...change } : { ...each, inflight: 2 }));
  expect(first(tenant, withChosen({ inflight: 6 }))).toBe(chosen);
  expect(first(tenant, withChosen({ inflight: 7 }))).not.toBe(chosen);
  expect(pushOrder(tenant, withChosen({ isSuspect: true })).at(-1)!.address).toBe(chosen);
});

test('without distributors pushes get 503', () => {
  expect(pushOrder(tenants[0], [])).toEqual([]);
});
