/** Reads long queries in a worker, before their requests are handled: step *admit* of a query. */
import { formatExpr, parseSyntax, queryBytesMax, readQueryText, rememberParsed } from '@loki/logql';
import type { ParsedText } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { HttpHandler, HttpRequest, Task, TaskOptions, Workers } from '@loki/ports';
import { badRequest, Params } from '../limits/params.ts';
import { wholeQueryText } from '../limits/request-limits.ts';

/** Characters of queries that are read on the main thread: a few milliseconds for any text. */
const inlineCharsMax = 2_048;

/** Parameters that hold queries. */
const queryNames = ['query', 'match', 'match[]'];

/**
 * Parses query texts on a worker thread, for texts that would occupy the main thread. A syntax error is a
 * result.
 */
export const readQueriesTask: Task<{ readonly texts: readonly string[] }, readonly ParsedText[]> = {
  name: 'gateway.readQueries',
  run: ({ texts }) => texts.map(readQueryText),
};

/** The answer of `format_query`: a text, or the fault of the query. */
type FormattedQuery = { readonly text: string } | { readonly fault: string };

/**
 * Formats one query on a worker thread, for texts that would occupy the main thread. A syntax error is a
 * result.
 */
export const formatQueryTask: Task<{ readonly text: string }, FormattedQuery> = {
  name: 'gateway.formatQuery',
  run: ({ text }) => formattedQuery(text),
};

function formattedQuery(text: string): FormattedQuery {
  try {
    return { text: formatExpr(parseSyntax(text, 'any')) };
  } catch (error) {
    if (error instanceof LokiError && error.code === 'badRequest') return { fault: error.message };
    throw error;
  }
}

/**
 * Formats a query, a long one in a worker.
 *
 * @param workers absent: formats on the calling thread
 */
export async function formatQuery(request: HttpRequest, workers?: Workers): Promise<FormattedQuery> {
  const text = Params.of(request).get('query');
  if (!workers || text.length <= inlineCharsMax) return formattedQuery(text);
  return workers.run(formatQueryTask, { text }, scheduling(request));
}

/**
 * A query of 128 KiB takes up to 0.5 s: patterns and templates are compiled, and thousands of nodes made. A
 * worker reads it, and the main thread takes over the tree.
 */
export class LongQueries {
  readonly #workers: Workers;

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  /**
   * The handler, called once the request's queries have been read: it finds their trees, or their faults,
   * where it parses them.
   */
  readBefore(handler: HttpHandler): HttpHandler {
    return (request) =>
      isShort(request) ? handler(request) : this.read(request).then(() => handler(request));
  }

  /**
   * Reads the long queries of a request.
   *
   * @throws LokiError badRequest when they are longer together than one may be
   */
  async read(request: HttpRequest): Promise<void> {
    if (isShort(request)) return;
    const params = Params.of(request);
    const texts = new Set(queryNames.flatMap((name) => params.getAll(name)));
    await this.readTexts([...texts], scheduling(request));
    // A part of a split query may be short, and the whole long.
    const whole = wholeQueryText(request);
    if (whole !== undefined) await this.readTexts([whole], scheduling(request));
  }

  /** Reads texts that are long together, as `read`. */
  async readTexts(texts: readonly string[], options: TaskOptions): Promise<void> {
    const chars = texts.reduce((sum, text) => sum + text.length, 0);
    if (chars <= inlineCharsMax) return;
    if (texts.length > 1 && chars > queryBytesMax) {
      throw badRequest(`parse error : input size too long (${chars} > ${queryBytesMax})`);
    }
    const parsed = await this.#workers.run(readQueriesTask, { texts }, options);
    for (const [i, text] of texts.entries()) rememberParsed(text, parsed[i]);
  }
}

/** Whether its queries are short, seen without reading its parameters. */
function isShort({ queryText, body, headers }: HttpRequest): boolean {
  const wholeChars = headers.get('x-loki-query-limits-context')?.length ?? 0;
  return queryText.length + body.length <= inlineCharsMax && wholeChars <= inlineCharsMax;
}

function scheduling({ headers, signal }: HttpRequest): TaskOptions {
  return { tenant: headers.get('x-scope-orgid') ?? '', signal };
}
