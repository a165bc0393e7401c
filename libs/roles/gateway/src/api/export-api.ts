/** `/loki/api/v1/export`: all lines of a log query as lines of JSON, with cursors to continue from. */
import { goJsonString } from '@loki/go';
import { parseExpr, printLeaf } from '@loki/logql';
import { LokiError, mib } from '@loki/model';
import { tenantsText } from '@loki/ports';
import type { Clock, HttpRequest, HttpResponse, Logger, LogLeafResult, Tenancy } from '@loki/ports';
import { lineText, pairsJson } from '../answer/encode-result.ts';
import { runForTenants } from '../frontend/multi-tenant.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import {
  checkBlocked,
  checkQueryLength,
  checkSelectors,
  clampLookback,
} from '../limits/check-query-limits.ts';
import { badRequest, Params, parseDirection, parseTimeRange, parseUint32 } from '../limits/params.ts';
import { parseCursor, printCursor } from './export-cursor.ts';
import type { ExportCursor } from './export-cursor.ts';
import { exportPages } from './export-pages.ts';
import type { ExportPage, PageRequest } from './export-pages.ts';

interface ExportApiDeps {
  readonly frontend: QueryFrontend;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Rows of one page. */
const batchDefault = 1000;
const batchMax = 5000;
/** Exports that one tenant may have running at a time: each holds two pages in memory. */
const exportsMaxPerTenant = 8;
/**
 * Bytes that one leaf, and so a page, may hold: when lines are longer than expected, the page is requested
 * again with fewer lines.
 */
const pageBytesMax = 64 * mib;
/** Characters of one piece of the answer. */
const pieceCharsMax = 64 * 1024;

interface Export {
  readonly tenancy: Tenancy;
  /** Canonical LogQL. */
  readonly query: string;
  readonly cursor: ExportCursor;
  readonly limit: number;
  readonly batch: number;
  /** Aborts when the client leaves, or when this process ends. */
  readonly signal: AbortSignal;
}

/**
 * `/loki/api/v1/export`, a route that Loki lacks: all entries of a log query as lines of JSON.
 *
 * A cursor (`{"cursor":"…"}`) follows each page: all entries before it have been sent. An interrupted export
 * continues from its last cursor and repeats the entries after it. The last line has `"done":true` when the
 * export is complete.
 */
export class ExportApi {
  readonly #deps: ExportApiDeps;
  readonly #running = new Map<string, number>();
  readonly #stop = new AbortController();

  constructor(deps: ExportApiDeps) {
    this.#deps = deps;
  }

  /** Ends running exports, each with a cursor to continue from. */
  stop(): void {
    this.#stop.abort(new LokiError('unavailable', 'the query frontend is stopping'));
  }

  start(request: HttpRequest, tenancy: Tenancy): HttpResponse {
    const exportRequest = this.#parse(request, tenancy);
    return {
      status: 200,
      headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' },
      stream: this.#lines(exportRequest, this.#take(tenancy)),
    };
  }

  #parse(request: HttpRequest, tenancy: Tenancy): Export {
    const { frontend, clock } = this.#deps;
    const params = Params.of(request);
    const text = params.get('query');
    const expr = parseExpr(text);
    if (expr.kind !== 'log') throw badRequest('only log queries can be exported');
    const limits = frontend.limitsFor(tenancy, request);
    checkBlocked(expr, text, limits, request.headers.get('x-query-tags'));
    checkSelectors(expr, limits);
    const query = printLeaf(expr);
    const nowNs = clock.nowNs();
    const direction = params.get('direction') === '' ? 'forward' : parseDirection(params);
    const cursorText = params.get('cursor');
    const range =
      cursorText === '' ? { ...parseTimeRange(params, nowNs), direction } : parseCursor(query, cursorText);
    if (range.endNs < range.startNs) {
      throw badRequest('end timestamp must not be before or equal to start time');
    }
    checkQueryLength(range, limits);
    const clamped = clampLookback(range, limits, nowNs) ?? { startNs: range.endNs, endNs: range.endNs };
    return {
      tenancy,
      query,
      cursor: { ...clamped, direction: range.direction },
      limit: parseUint32(params, 'limit', 0),
      batch: Math.min(batchMax, parseUint32(params, 'batch', 0) || batchDefault),
      signal: AbortSignal.any([request.signal, this.#stop.signal]),
    };
  }

  /** @returns a function that frees the place */
  #take(tenancy: Tenancy): () => void {
    const tenant = tenantsText(tenancy);
    const running = this.#running.get(tenant) ?? 0;
    if (running >= exportsMaxPerTenant) {
      throw new LokiError('tooManyRequests', `too many exports at a time (limit: ${exportsMaxPerTenant})`);
    }
    this.#running.set(tenant, running + 1);
    return () => {
      const remaining = (this.#running.get(tenant) ?? 1) - 1;
      if (remaining > 0) this.#running.set(tenant, remaining);
      else this.#running.delete(tenant);
    };
  }

  async *#lines(request: Export, release: () => void): AsyncGenerator<string> {
    const { clock, logger } = this.#deps;
    const startedMs = clock.monotonicMs();
    let remaining = request.cursor;
    let entries = 0;
    let failure: LokiError | undefined;
    try {
      const read = (page: PageRequest) => this.#read(request, page);
      const options = { clock, read, rowsMax: request.batch, rowsWanted: request.limit };
      for await (const page of ahead(exportPages(remaining, options))) {
        yield* pageText(page);
        entries += page.to - page.from;
        if (!page.next) continue;
        remaining = page.next;
        yield `{"cursor":"${printCursor(request.query, remaining)}"}\n`;
      }
      const cursor = printCursor(request.query, remaining);
      yield `{"cursor":"${cursor}","done":${remaining.startNs >= remaining.endNs},"entries":${entries}}\n`;
    } catch (error) {
      failure = this.#failureOf(error);
      const cursor = printCursor(request.query, remaining);
      yield `{"cursor":"${cursor}","done":false,"entries":${entries},"error":${goJsonString(failure.message)}}\n`;
      // The answer must not end properly: a client that ignores the last line notices the failure, too.
      throw failure;
    } finally {
      release();
      logger.info('export', {
        org_id: tenantsText(request.tenancy),
        query: request.query,
        entries,
        duration_ms: Math.round(clock.monotonicMs() - startedMs),
        cursor: printCursor(request.query, remaining),
        err: failure?.message,
      });
    }
  }

  #failureOf(error: unknown): LokiError {
    const { signal } = this.#stop;
    const reason: unknown = signal.aborted ? signal.reason : error;
    return reason instanceof LokiError
      ? reason
      : new LokiError('internal', 'internal error', { cause: reason });
  }

  /** Runs one leaf of an export in the tenant's queue and under its query_timeout. */
  async #read({ tenancy, query, signal }: Export, page: PageRequest): Promise<LogLeafResult> {
    const { frontend } = this.#deps;
    const leaf = {
      kind: 'log' as const,
      tenant: tenancy.ids[0],
      expr: query,
      memoryBytesMax: pageBytesMax,
      ...page,
    };
    const result = await frontend.withDeadline(tenancy, signal, (deadline) =>
      runForTenants(tenancy, leaf, {
        run: (request) => frontend.querier.runLeaf(request, deadline),
        complete: (work) => frontend.complete(work, deadline),
      }),
    );
    if (result.kind !== 'log') throw new Error('a log leaf answered with samples');
    return result;
  }
}

/** Reads the next page while the client receives the present one. */
async function* ahead<T>(pages: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = pages.next();
  try {
    for (;;) {
      const page = await next;
      if (page.done) return;
      next = pages.next();
      // A failure is thrown when this page is awaited, or ignored if the client has left.
      next.catch(() => undefined);
      yield page.value;
    }
  } finally {
    await pages.return(undefined);
  }
}

function* pageText({ rows, from, to }: ExportPage): Generator<string> {
  const lines = Buffer.from(rows.lines.buffer, rows.lines.byteOffset, rows.lines.byteLength);
  const labels = rows.labelSets.map(({ stream, structuredMetadata, parsed }) => {
    const metadata =
      structuredMetadata.length > 0 ? `,"structuredMetadata":${pairsJson(structuredMetadata)}` : '';
    const extracted = parsed.length > 0 ? `,"parsed":${pairsJson(parsed)}` : '';
    return `"stream":${pairsJson(stream)}${metadata}${extracted}`;
  });
  let text = '';
  for (let row = from; row < to; row++) {
    const line = goJsonString(lineText(lines, rows.lineEnds, row));
    text += `{"timestamp":"${rows.timestampNs[row]}","line":${line},${labels[rows.labelSet[row]]}}\n`;
    if (text.length < pieceCharsMax) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}
