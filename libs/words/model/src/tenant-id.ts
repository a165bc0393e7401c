/** Tenant ids: the one place where a header becomes one. */
import { LokiError } from './errors.ts';

/** Proven tenant id: 1..150 bytes of the allowed set, not "." or "..". Only `parseTenantId` makes one. */
export type TenantId = string & { readonly __brand: 'TenantId' };

/** Loki's own maximum; longer ids are refused with Loki's text. */
const tenantIdBytesMax = 150;

const allowed = /^[A-Za-z0-9!\-_.*'()]$/;

/**
 * The one gate through which text becomes a tenant id.
 *
 * @param text one id, already split from a multi-tenant header and stripped of its `:metadata` suffix
 * @throws LokiError 401 for an empty id, 400 with Loki's text otherwise
 */
export function parseTenantId(text: string): TenantId {
  if (text === '') throw new LokiError('noOrgId', 'no org id');
  for (const char of text) {
    if (!allowed.test(char)) {
      throw new LokiError(
        'badTenantId',
        `tenant ID '${sentText(text)}' contains unsupported character '${char}'`,
      );
    }
  }
  if (text.length > tenantIdBytesMax) {
    throw new LokiError('badTenantId', `tenant ID is too long: max ${tenantIdBytesMax} characters`);
  }
  if (text === '.' || text === '..') throw new LokiError('badTenantId', "tenant ID is '.' or '..'");
  return text as TenantId;
}

/** A header holds bytes, one per character. The reader of the message needs the UTF-8 text. */
function sentText(text: string): string {
  return /^[\0-\xff]*$/.test(text) ? Buffer.from(text, 'latin1').toString('utf8') : text;
}
