import type { TenantId } from '@loki/model';
import { withTenant } from './multi-tenant.ts';

// Protects how labels of a tenant's streams and series look in an answer for several.
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
