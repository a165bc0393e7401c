/** Finds the route of a request: step *admit*. */
import { routeLabel, routes } from './routes.ts';
import type { RouteId, RouteSpec } from './routes.ts';

/** The route of a request. */
export interface RouteMatch {
  readonly id: RouteId;
  readonly spec: RouteSpec;
  readonly label: string;
  /** Values of the `:name` segments. */
  readonly params: ReadonlyMap<string, string>;
}

interface Pattern {
  readonly id: RouteId;
  readonly label: string;
  readonly spec: RouteSpec;
  readonly segments: readonly string[];
}

export const noParams: ReadonlyMap<string, string> = new Map();

/** Finds routes by path and method among those that are served. Exact paths cost one map lookup. */
export class Router {
  readonly #exact = new Map<string, RouteMatch[]>();
  /** Patterns with `:name` by number of segments. */
  readonly #patterns = new Map<number, Pattern[]>();

  /** Idempotent. */
  add(id: RouteId): void {
    const spec: RouteSpec = routes[id];
    const label = routeLabel(spec.path);
    if (!spec.path.includes(':')) {
      const same = this.#exact.get(spec.path) ?? [];
      if (!same.some((match) => match.id === id)) same.push({ id, spec, label, params: noParams });
      this.#exact.set(spec.path, same);
      return;
    }
    const segments = spec.path.split('/');
    const same = this.#patterns.get(segments.length) ?? [];
    if (!same.some((pattern) => pattern.id === id)) same.push({ id, spec, label, segments });
    this.#patterns.set(segments.length, same);
  }

  /**
   * @param path without escapes and query. An encoded slash separates segments like a plain one, as in Go's
   *   router: names in paths never contain one.
   * @returns undefined when no route answers this path with this method
   */
  find(method: string, path: string): RouteMatch | undefined {
    const exact = this.#exact.get(path);
    if (exact) return exact.find((match) => takes(match.spec, method));
    const segments = path.split('/');
    for (const pattern of this.#patterns.get(segments.length) ?? []) {
      if (!takes(pattern.spec, method)) continue;
      const params = matchSegments(pattern.segments, segments);
      if (params) return { id: pattern.id, spec: pattern.spec, label: pattern.label, params };
    }
    return undefined;
  }

  /** The methods of all routes of this path; empty: the path is unknown. */
  methodsOf(path: string): string[] {
    const segments = path.split('/');
    const specs = [
      ...(this.#exact.get(path) ?? []),
      ...(this.#patterns.get(segments.length) ?? []).filter((each) => matchSegments(each.segments, segments)),
    ].map(({ spec }) => spec);
    return [
      ...new Set(specs.flatMap((spec) => [...(spec.methods ?? []), ...(isProbed(spec) ? ['HEAD'] : [])])),
    ];
  }
}

function takes(spec: RouteSpec, method: string): boolean {
  if (spec.methods === undefined || spec.methods.includes(method)) return true;
  return method === 'HEAD' && isProbed(spec);
}

/**
 * Whether HEAD is answered: for routes with GET only, which load balancers probe. A route with POST runs a
 * query or changes state (`/flush`) and refuses HEAD, as in Loki.
 */
function isProbed({ methods }: RouteSpec): boolean {
  return methods !== undefined && methods.includes('GET') && !methods.includes('POST');
}

function matchSegments(
  pattern: readonly string[],
  segments: readonly string[],
): Map<string, string> | undefined {
  const params = new Map<string, string>();
  for (let i = 0; i < pattern.length; i++) {
    if (!pattern[i].startsWith(':')) {
      if (pattern[i] !== segments[i]) return undefined;
      continue;
    }
    const value = segments[i];
    if (value === '') return undefined;
    params.set(pattern[i].slice(1), value);
  }
  return params;
}

/** Percent-decoding; undefined for invalid encodings. */
export function decodePath(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // An incomplete escape, or bytes that are no UTF-8: no route has such a name.
    return undefined;
  }
}

const unclean = /\/\/|\/\.\.?(?:\/|$)/;

/**
 * The path without empty, `.` and `..` segments when it has any: clients are redirected there, as by Go's
 * router.
 */
export function cleanedPath(path: string): string | undefined {
  if (!path.includes('//') && !path.includes('/.')) return undefined;
  if (!unclean.test(path)) return undefined;
  const resolved: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') resolved.pop();
    else if (segment !== '' && segment !== '.') resolved.push(segment);
  }
  const slash = path.endsWith('/') && resolved.length > 0 ? '/' : '';
  return `/${resolved.join('/')}${slash}`;
}
