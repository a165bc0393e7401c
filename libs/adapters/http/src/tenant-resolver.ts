/** Determines the tenant of a request: step *admit*. */
import { LokiError, parseTenantId } from '@loki/model';
import type { TenantId } from '@loki/model';
import type { HttpHandler, HttpRequest, HttpResponse, Tenancy } from '@loki/ports';

/** `X-Scope-OrgID` in lower case: the header with the tenant, or several tenants with `|` between them. */
export const tenantHeader = 'x-scope-orgid';

interface TenantOptions {
  readonly authEnabled: boolean;
  /** The tenant of all requests without authentication. */
  readonly noAuthTenant: string;
  readonly multiTenantQueriesEnabled: boolean;
}

/** Most tenants of one query; each costs a query of its own. */
const tenantsMax = 256;

/**
 * Tenants of a header value: ids between `|`, each cut at its first `:` (what follows is metadata). An empty
 * id among others is ignored, but the request still counts as one for several tenants.
 *
 * @throws LokiError 401 without any id, 400 with Loki's text for an invalid id
 */
export function parseTenantHeader(header: string): Tenancy {
  const parts = new Set<string>();
  for (const part of header.split('|')) {
    parts.add(withoutMetadata(part));
    if (parts.size > tenantsMax) throw new LokiError('badTenantId', `too many tenants: max ${tenantsMax}`);
  }
  const ids: TenantId[] = [];
  for (const part of parts) if (part !== '' || parts.size === 1) ids.push(parseTenantId(part));
  return { ids: ids.sort(), isMulti: parts.size > 1 };
}

function withoutMetadata(part: string): string {
  const colon = part.indexOf(':');
  return colon < 0 ? part : part.slice(0, colon);
}

/** Determines the tenant of a request: `X-Scope-OrgID`, or the fixed tenant where authentication is off. */
export class TenantResolver {
  readonly #options: TenantOptions;
  readonly #everybody: Tenancy;

  /** @throws LokiError when the configured tenant is no valid tenant id */
  constructor(options: TenantOptions) {
    this.#options = options;
    this.#everybody = { ids: [parseTenantId(options.noAuthTenant)], isMulti: false };
  }

  /** The tenant of a request for one tenant, e.g. a write. */
  one(request: HttpRequest): TenantId {
    return this.#options.authEnabled ? this.oneFromHeader(request) : this.#everybody.ids[0];
  }

  /** The tenants of a read: several if that is enabled. */
  several(request: HttpRequest): Tenancy {
    const { authEnabled, multiTenantQueriesEnabled } = this.#options;
    if (!authEnabled) return this.#everybody;
    return multiTenantQueriesEnabled
      ? parseTenantHeader(request.headers.get(tenantHeader) ?? '')
      : { ids: [this.oneFromHeader(request)], isMulti: false };
  }

  /** The tenant in the header, even without authentication: the two limits routes require it. */
  oneFromHeader(request: HttpRequest): TenantId {
    const header = request.headers.get(tenantHeader) ?? '';
    if (header === '') throw new LokiError('noOrgId', 'no org id');
    const [first, ...others] = header.split('|').map(withoutMetadata);
    if (first === '' && others.some((other) => other !== '')) {
      throw new LokiError('badTenantId', 'multiple org IDs present');
    }
    const tenant = parseTenantId(first);
    // Further ids are not validated: there are too many already.
    if (others.some((other) => other !== first)) {
      throw new LokiError('badTenantId', 'multiple org IDs present');
    }
    return tenant;
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
}
