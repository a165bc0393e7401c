/** Runs the handler of a request, in a span when requests are traced. */
import type { HttpHandler, HttpRequest, HttpResponse } from '@loki/ports';
import { isTracing, withServerSpan } from '@loki/telemetry';
import type { RouteMatch } from './router.ts';

/** @throws the handler's error */
export async function runHandler(
  handler: HttpHandler,
  { spec, label }: RouteMatch,
  request: HttpRequest,
): Promise<HttpResponse> {
  if (!isTracing()) return handler(request);
  const attributes = { 'http.request.method': request.method, 'http.route': spec.path };
  const name = `HTTP ${request.method} - ${label}`;
  return withServerSpan(
    name,
    () => request.headers,
    attributes,
    async () => handler(request),
  );
}
