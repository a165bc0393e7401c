/** Tenants, media types, forms and queries of addresses. */
import type { FuzzTarget } from '@loki/test-tools';
import { LokiError } from './errors.ts';
import { parseForm, parseQueryText } from './form.ts';
import { parseMediaType } from './media-type.ts';
import { parseTenantId } from './tenant-id.ts';

export const targets: readonly FuzzTarget[] = [
  {
    name: 'tenant-id',
    shape: 'text',
    corpus: () => ['team-a', 'a|b', '..', 'a'.repeat(150), "a!b-c_d.e*f'(g)"],
    isRefusal: (error) =>
      error instanceof LokiError && (error.code === 'badTenantId' || error.code === 'noOrgId'),
    run: (input) => {
      const tenant = parseTenantId(input.toString());
      if (tenant === '.' || tenant === '..' || /[/\\|\0\s]/.test(tenant) || tenant.length > 150) {
        throw new Error('no tenant');
      }
      return 'tenant';
    },
  },
  {
    name: 'media-type',
    shape: 'text',
    corpus: () => [
      'application/json; charset=utf-8',
      'text/plain;a="b;c\\"d"',
      'x/y;a*=utf-8\'\'%e2;a*0="b";a*1=c',
    ],
    words: [';', '=', '"', '\\', '/', '*0*=', 'charset', ','],
    isRefusal: (error) => error instanceof LokiError && error.code === 'badRequest',
    run: (input) => parseMediaType(input.toString('latin1')),
  },
  {
    name: 'form',
    shape: 'text',
    corpus: () => ['query=%7Ba%3D%22b%22%7D&start=1&start=2&x', 'a=b;c=d&%zz=1&+=%20', '=&&=='],
    words: ['%', '%00', '%zz', '+', '&', '=', ';', '%ff'],
    isRefusal: (error) => error instanceof LokiError && error.code === 'badRequest',
    run: (input) => {
      const text = input.toString('latin1');
      parseQueryText(text);
      const form = parseForm({
        method: 'POST',
        queryText: text,
        headers: new Map([['content-type', 'application/x-www-form-urlencoded']]),
        body: input,
      } as Parameters<typeof parseForm>[0]);
      return typeof form.get('a');
    },
  },
];
