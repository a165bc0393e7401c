/** Calls between processes outside the write and query paths: routes of other processes, and rulers. */
import type { TenantId } from '@loki/model';
import type { HttpRequest, HttpResponse } from './http.ts';

/** Calls HTTP routes that only another kind of process can answer. */
export interface RouteService {
  /** @throws LokiError `notFound` when the other process does not serve the route */
  call(route: string, request: HttpRequest): Promise<HttpResponse>;
}

/** Calls between rulers: step *several rulers* of the story of a rule. */
export interface RulerService {
  /** The tenant's groups that this ruler evaluates: a JSON list in the form of Prometheus' API. */
  groups(tenant: TenantId, signal?: AbortSignal): Promise<string>;
  /**
   * Announces that another ruler's API changed the tenant's rules, so this ruler reads them now, not at the
   * next poll.
   */
  rulesChanged(tenant: TenantId, signal?: AbortSignal): Promise<void>;
}
