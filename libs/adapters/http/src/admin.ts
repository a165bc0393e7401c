/** HTTP routes of every process about itself: readiness, metrics, configuration, log level. */
import { goJson } from '@loki/go';
import { parseForm } from '@loki/model';
import { errorText, jsonResponse, textResponse } from '@loki/ports';
import type { HttpHandler, HttpRequest, Timers } from '@loki/ports';
import { expositionFor } from '@loki/telemetry';
import type { BuildInfo, LogControl, Metrics } from '@loki/telemetry';
import type { RouteId } from './routes.ts';
import type { ServiceStates } from './service-states.ts';
import { SharedText } from './shared-text.ts';
import type { TenantResolver } from './tenant-resolver.ts';

interface AdminDeps {
  readonly timers: Timers;
  readonly states: ServiceStates;
  readonly metrics: Metrics;
  readonly log: LogControl;
  readonly buildInfo: BuildInfo;
  /** YAML of the configuration, secrets masked. The text never changes; it is computed at most once. */
  readonly configText: (mode: ConfigMode) => string;
}

type ConfigMode = 'full' | 'diff' | 'defaults';
type Scrape = Awaited<ReturnType<Metrics['scrape']>>;

/** Answers of every process about itself. */
export function adminHandlers(deps: AdminDeps): Partial<Record<RouteId, HttpHandler>> {
  const configTexts = new Map<ConfigMode, string>();
  const configText = (mode: ConfigMode): string => {
    let text = configTexts.get(mode);
    if (text === undefined) configTexts.set(mode, (text = deps.configText(mode)));
    return text;
  };
  /** Shared expositions by kind; there are only a few kinds. */
  const scrapes = new Map<string, SharedText<Scrape>>();
  const scrape = (accept: string): Promise<Scrape> => {
    const { contentType } = expositionFor(accept);
    let shared = scrapes.get(contentType);
    if (!shared) {
      scrapes.set(contentType, (shared = new SharedText(deps.timers, () => deps.metrics.scrape(accept))));
    }
    return shared.get();
  };
  return {
    ready: () => {
      const reason = deps.states.notReady();
      return reason === undefined ? textResponse('ready\n') : errorText(503, reason);
    },
    // Liveness: any answer proves that the event loop runs.
    healthz: () => textResponse('ok\n'),
    metrics: async (request) => {
      const { contentType, text } = await scrape(request.headers.get('accept') ?? '');
      return { status: 200, headers: { 'content-type': contentType }, body: text };
    },
    config: (request) => {
      const mode = parameter(request, 'mode');
      return textResponse(configText(mode === 'diff' || mode === 'defaults' ? mode : 'full'));
    },
    services: () => textResponse(deps.states.text()),
    logLevel: (request) => logLevel(request, deps.log),
    buildInfo: () => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: `${goJson(deps.buildInfo)}\n`,
    }),
  };
}

function logLevel(request: HttpRequest, log: LogControl) {
  if (request.method !== 'POST') return jsonResponse({ message: `Current log level is ${log.level}` });
  const level = parameter(request, 'log_level') ?? '';
  if (!log.setLevel(level)) {
    return jsonResponse(
      { status: 'failed', message: `unrecognized log level ${JSON.stringify(level)}` },
      400,
    );
  }
  return jsonResponse({ status: 'success', message: `Log level set to ${level}` });
}

/** A parameter of the form body, else of the query. */
function parameter(request: HttpRequest, name: string): string | undefined {
  return parseForm(request).get(name);
}

interface TenantLimitsDeps {
  readonly tenants: TenantResolver;
  /** The limits that the tenant may see, by YAML name. */
  readonly limits: (tenant: string) => Record<string, unknown>;
  readonly limitsYaml: (tenant: string) => string;
  readonly patternIngesterEnabled: boolean;
  readonly version: string;
}

/**
 * The routes by which a tenant reads its own limits. Both require the tenant header even without
 * authentication.
 */
export function tenantLimitsHandlers(deps: TenantLimitsDeps): Partial<Record<RouteId, HttpHandler>> {
  return {
    tenantLimits: (request) => textResponse(deps.limitsYaml(deps.tenants.oneFromHeader(request))),
    drilldownLimits: (request) =>
      jsonResponse({
        limits: deps.limits(deps.tenants.oneFromHeader(request)),
        pattern_ingester_enabled: deps.patternIngesterEnabled,
        version: deps.version,
      }),
  };
}
