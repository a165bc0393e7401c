import { LokiError, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { HttpHandler, HttpRequest, HttpResponse, Tenancy } from '@loki/ports';

/** The header that names the tenant. */
export const tenantHeader = 'x-scope-orgid';

export interface TenantOptions {
  readonly authEnabled: boolean;
  /** Everybody, while authentication is off. */
  readonly noAuthTenant: string;
  readonly multiTenantQueriesEnabled: boolean;
}

/** Tenants one query may name; each costs a query of its own. */
const tenantsMax = 256;

/**
 * Tenants of a header value: ids between `|`, each cut at its first `:` (what follows is metadata). An empty id
 * beside others names nobody, yet makes the request one for several tenants.
 *
 * @throws LokiError 401 without any id, 400 with Loki's text for an id that is none
 */
export function parseTenantHeader(header: string): Tenancy {
  const parts = new Set<string>();
  for (const part of header.split('|')) {
    const colon = part.indexOf(':');
    parts.add(colon < 0 ? part : part.slice(0, colon));
    if (parts.size > tenantsMax) throw new LokiError('badTenantId', `too many tenants: max ${tenantsMax}`);
  }
  const ids: TenantId[] = [];
  for (const part of parts) if (part !== '' || parts.size === 1) ids.push(parseTenantId(part));
  return { ids: ids.sort(), isMulti: parts.size > 1 };
}

/** Settles whom a request belongs to. */
export class TenantResolver {
  readonly #options: TenantOptions;
  readonly #everybody: Tenancy;

  /** @throws LokiError when the tenant of unauthenticated requests is no tenant id */
  constructor(options: TenantOptions) {
    this.#options = options;
    this.#everybody = { ids: [parseTenantId(options.noAuthTenant)], isMulti: false };
  }

  /** For writes and everything else that concerns one tenant. */
  one(request: HttpRequest): TenantId {
    const tenancy = this.#tenancyOf(request);
    if (tenancy.isMulti) throw new LokiError('badTenantId', 'multiple org IDs present');
    return tenancy.ids[0];
  }

  /** For reads: several tenants where that is switched on. */
  several(request: HttpRequest): Tenancy {
    const tenancy = this.#tenancyOf(request);
    if (tenancy.isMulti && !this.#options.multiTenantQueriesEnabled) {
      throw new LokiError('badTenantId', 'multiple org IDs present');
    }
    return tenancy;
  }

  /** From the header even when authentication is off: what the two limits endpoints ask for. */
  oneFromHeader(request: HttpRequest): TenantId {
    const tenancy = parseTenantHeader(request.headers.get(tenantHeader) ?? '');
    if (tenancy.isMulti) throw new LokiError('badTenantId', 'multiple org IDs present');
    return tenancy.ids[0];
  }

  /** A handler for one tenant as a plain handler. */
  forOne(
    handler: (tenant: TenantId, request: HttpRequest) => Promise<HttpResponse> | HttpResponse,
  ): HttpHandler {
    return (request) => handler(this.one(request), request);
  }

  /** A handler for one or several tenants as a plain handler. */
  forSeveral(
    handler: (tenancy: Tenancy, request: HttpRequest) => Promise<HttpResponse> | HttpResponse,
  ): HttpHandler {
    return (request) => handler(this.several(request), request);
  }

  #tenancyOf(request: HttpRequest): Tenancy {
    return this.#options.authEnabled
      ? parseTenantHeader(request.headers.get(tenantHeader) ?? '')
      : this.#everybody;
  }
}
