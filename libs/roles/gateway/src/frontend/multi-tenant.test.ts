/** Protects how labels of a tenant's streams and series look in an answer for several. */
import { atOnce } from '@loki/engine';
import type { TenantId } from '@loki/model';
import { emptyLeafStats } from '@loki/ports';
import type { LeafRequest, LeafResult } from '@loki/ports';
import { tenancyOf } from '../test/gateway.ts';
import { runForTenants, withTenant } from './multi-tenant.ts';

test.each([
  [[['app', 'a']], '__tenant_id__=t app=a'],
  [[], '__tenant_id__=t'],
  // A label of that name is another one.
  [[['__tenant_id__', 'own']], '__tenant_id__=t original___tenant_id__=own'],
  // Parsed labels of series may be empty.
  [
    [
      ['x', ''],
      ['y', '1'],
    ],
    '__tenant_id__=t x= y=1',
  ],
] as [[string, string][], string][])('%j', (labels, expected) => {
  const text = withTenant(labels, 't' as TenantId).map(([name, value]) => `${name}=${value}`).join(' '); // prettier-ignore
  expect(text).toBe(expected);
});

// Protects which tenants' leaves run, and with which selector, when matchers name tenants.
describe('matchers of tenants', () => {
  const empty: LeafResult = { kind: 'samples', steps: 1, series: [], stats: emptyLeafStats() };
  async function leavesOf(expr: string, request: Partial<LeafRequest> = {}): Promise<string[]> {
    const leaves: string[] = [];
    const leaf = { kind: 'samples', startNs: 0n, endNs: 0n, stepNs: 0n, seriesMax: 0, ...request, expr };
    await runForTenants(tenancyOf('a', 'b'), leaf as LeafRequest, {
      run: async (leaf) => {
        leaves.push(`${leaf.tenant} ${leaf.expr}`);
        return empty;
      },
      complete: (work) => Promise.resolve(atOnce(work)),
    });
    return leaves;
  }

  test.each([
    ['{app="x"}', ['a {app="x"}', 'b {app="x"}']],
    ['{app="x", __tenant_id__="b"}', ['b {app="x"}']],
    ['{__tenant_id__!="b", app="x"}', ['a {app="x"}']],
    ['{app="x", __tenant_id__="c"}', []],
    // With nothing but tenants in its selector, a metric query has no samples.
    ['{__tenant_id__="b"}', []],
    ['{__tenant_id__=~".+", __tenant_id__!="b"}', []],
  ])('%s', async (selector, leaves) => {
    const wrap = (text: string) => `sum by (app)(count_over_time(${text}[1h]))`;
    const expected = leaves.map((leaf) => leaf.replace(/{.*/, wrap));
    expect(await leavesOf(wrap(selector))).toEqual(expected);
  });

  test('a log query with nothing but tenants in its selector is refused', async () => {
    await expect(leavesOf('{__tenant_id__="b"}', { kind: 'log' })).rejects.toThrow(
      'log selector is invalid after matcher update: parse error : queries require at least one',
    );
  });
});
