/** Tenant ids: each id of a header is checked by this file alone. */
import { LokiError } from './errors.ts';

/** A checked tenant id: 1 to 150 allowed characters, not "." or "..". Only `parseTenantId` returns one. */
export type TenantId = string & { readonly __brand: 'TenantId' };

/** Loki's own maximum; longer ids are refused with Loki's text. */
const tenantIdBytesMax = 150;

const allowed = /^[A-Za-z0-9!\-_.*'()]$/;

/**
 * Checks a text and returns it as a tenant id. No other function makes tenant ids.
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
