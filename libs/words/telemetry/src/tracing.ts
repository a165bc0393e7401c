/** Traces: spans of requests and of their parts, sent to a collector. */
import { context, propagation, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';

/** Undefined while tracing is off; a span then costs one comparison. */
let tracer: Tracer | undefined;

/** Attributes of a span, by name; OpenTelemetry's value types. */
export type SpanAttributes = Attributes;

interface TracingOptions {
  /** Name under which this process's spans appear. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** OTLP over HTTP, e.g. `http://collector:4318`; '' : tracing is off. */
  readonly endpoint: string;
  /** Share of root spans that are recorded, 0..1. For other spans the caller's decision applies. */
  readonly samplingRatio: number;
}

/**
 * Starts tracing; only this loads the SDK, because loading takes longer than the rest of a start.
 *
 * @returns a function that flushes and stops; it does nothing when tracing is off
 */
export async function startTracing(options: TracingOptions): Promise<() => Promise<void>> {
  if (options.endpoint === '') return () => Promise.resolve();
  const [
    { AsyncLocalStorageContextManager },
    { W3CTraceContextPropagator },
    { resourceFromAttributes },
    sdk,
    { OTLPTraceExporter },
  ] = await Promise.all([
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/core'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
  ]);
  const exporter = new OTLPTraceExporter({ url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces` });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName }),
    sampler: new FollowingSampler(options.samplingRatio),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  tracer = provider.getTracer(options.serviceName, options.serviceVersion);
  return async () => {
    tracer = undefined;
    context.disable();
    propagation.disable();
    await provider.shutdown();
  };
}

/** Whether tracing is on: callers can skip computing attributes. */
export function isTracing(): boolean {
  return tracer !== undefined;
}

/**
 * Runs `work` inside a span; an error marks the span and is rethrown. With tracing off it is a plain call.
 * Spans are for requests, splits and fetches (14 µs each when sampled), never for entries.
 *
 * @param outcome  attributes of the finished work, for instance the bytes that it read
 */
export function withSpan<T>(
  name: string,
  attributes: Attributes,
  work: () => Promise<T>,
  outcome?: (result: T) => Attributes,
): Promise<T> {
  if (tracer === undefined) return work();
  return tracer.startActiveSpan(name, { attributes }, (span) =>
    finishSpan(span, async () => {
      const result = await work();
      if (outcome) span.setAttributes(outcome(result));
      return result;
    }),
  );
}

/** Begins a span below the current one; the caller ends it. Does nothing while tracing is off. */
export function startSpan(name: string, attributes: Attributes): { end(): void } {
  return tracer?.startSpan(name, { attributes }) ?? noSpan;
}

const noSpan = { end: () => undefined };

/**
 * Adds a finished span below the current one, which began `afterMs` after it. It is for work that a worker
 * thread measured, where no tracer runs.
 */
export function addMeasuredSpan(
  name: string,
  attributes: Attributes,
  { durationMs, afterMs = 0 }: { readonly durationMs: number; readonly afterMs?: number },
): void {
  const parent = tracer && trace.getActiveSpan();
  if (!tracer || !parent?.isRecording()) return;
  const [seconds, nanoseconds] = (parent as unknown as ReadableSpan).startTime;
  const startMs = seconds * 1e3 + nanoseconds / 1e6 + afterMs;
  tracer.startSpan(name, { attributes, startTime: startMs }).end(startMs + durationMs);
}

/**
 * Wraps `work`, so that its spans are children of the current span wherever it is called; `work` itself while
 * tracing is off.
 */
export function inCurrentSpan<A extends unknown[], T>(work: (...args: A) => T): (...args: A) => T {
  return tracer === undefined ? work : context.bind(context.active(), work);
}

/**
 * Runs `work` inside a span of a request from outside. The span is a child of the caller's (`traceparent`),
 * so that one trace shows a query from Grafana to the store.
 */
export function withServerSpan<T>(
  name: string,
  headers: () => ReadonlyMap<string, string>,
  attributes: Attributes,
  work: () => Promise<T>,
): Promise<T> {
  if (tracer === undefined) return work();
  const caller = propagation.extract(context.active(), Object.fromEntries(headers()));
  return tracer.startActiveSpan(name, { attributes, kind: SpanKind.SERVER }, caller, (span) =>
    finishSpan(span, work),
  );
}

/**
 * Headers or metadata that make spans of the next process children of the current one; empty while tracing is
 * off.
 */
export function traceHeaders(): Readonly<Record<string, string>> {
  const carrier: Record<string, string> = {};
  if (tracer !== undefined) propagation.inject(context.active(), carrier);
  return carrier;
}

async function finishSpan<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    span.recordException(error as Error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
    throw error;
  } finally {
    span.end();
  }
}

/** Sampling decisions of the SDK: 0 drops a span, 2 records and sends it. */
const dropped = 0;
const sampled = 2;

/**
 * Follows the caller's decision. Of root spans it samples the given share by trace id, so that all processes
 * agree.
 */
class FollowingSampler {
  readonly #ratio: number;

  constructor(ratio: number) {
    this.#ratio = ratio;
  }

  shouldSample(context: Context, traceId: string): { decision: number } {
    const parent = trace.getSpanContext(context);
    if (parent !== undefined) {
      return { decision: (parent.traceFlags & TraceFlags.SAMPLED) === 0 ? dropped : sampled };
    }
    const draw = Number.parseInt(traceId.slice(-8), 16) / 2 ** 32;
    return { decision: draw < this.#ratio ? sampled : dropped };
  }

  toString(): string {
    return `FollowingSampler{${this.#ratio}}`;
  }
}
