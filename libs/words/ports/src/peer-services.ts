import type { TenantId } from '@loki/model';
import type { HttpRequest, HttpResponse } from './http.ts';

/** Routes that any process of a kind answers, for processes that do not. */
export interface RouteService {
  /** @throws LokiError `notFound` when the other side does not serve the route */
  call(route: string, request: HttpRequest): Promise<HttpResponse>;
}

/** The rulers' questions to each other. */
export interface RulerService {
  /** The tenant's groups that this ruler evaluates: a JSON list in the form of Prometheus' API. */
  groups(tenant: TenantId, signal?: AbortSignal): Promise<string>;
  /** Another ruler's API changed the tenant's rules: they are read now, not at the next poll. */
  rulesChanged(tenant: TenantId, signal?: AbortSignal): Promise<void>;
}
