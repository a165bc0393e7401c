import { goJsonString } from '@loki/go';
import { parseExpr, printExpr } from '@loki/logql';
import { hash64Bytes, LokiError } from '@loki/model';
import type { Clock, HttpRequest, LogLeafResult, QuerierService, Timers, Tenancy } from '@loki/ports';
import { categoriesJson, lineText, mergedLabels, pairsJson } from '../answer/encode-result.ts';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import { checkEntriesLimit } from '../limits/check-query-limits.ts';
import { badRequest, Params, parseLimit, parseTimeRange, parseUint32 } from '../limits/params.ts';

/** One open WebSocket, as the tail sees it. */
export interface TailSocket {
  /** Resolves when the frame has left for the network. */
  send(text: string): Promise<void>;
  close(code: number, reason: string): void;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

interface TailApiDeps {
  readonly frontend: QueryFrontend;
  readonly querier: QuerierService;
  readonly clock: Clock;
  readonly timers: Timers;
  /** `querier.tail_max_duration`: clients open a new one then. Default: 1 h. */
  readonly tailMaxDurationMs?: number;
}

/** Seconds by which a client may ask its entries to be held back. */
const delaySecondsMax = 5;
const tailDurationMaxMs = 3_600_000;
/** Entries in one frame. */
const frameEntriesMax = 100;
/** Dropped entries named in one frame. */
const frameDroppedMax = 10;
/**
 * Labels of an entry's stream object. `merged`: all of the entry, parsed labels and structured metadata too.
 * `categorized`: the stream's own; the others stand in categories behind the line. `own`: the stream's own
 * alone.
 */
type TailLabels = 'merged' | 'categorized' | 'own';

interface TailQuery {
  readonly text: string;
  readonly startNs: bigint;
  readonly limit: number;
  readonly delaySeconds: number;
  readonly historyLabels: TailLabels;
  readonly liveLabels: TailLabels;
}

/** The last moment there is. */
const farFutureNs = (1n << 63n) - 1n;
/** WebSocket's code for "something on my side keeps me from going on"; Loki closes every tail with it. */
const closeCode = 1011;

/** `/loki/api/v1/tail`: first the newest entries there are, then what comes in. */
export class TailApi {
  readonly #deps: TailApiDeps;
  readonly #openByTenant = new Map<string, number>();

  constructor(deps: TailApiDeps) {
    this.#deps = deps;
  }

  /** Checks the request before the upgrade; what it returns runs the tail on the open socket. */
  prepare(request: HttpRequest, tenancy: Tenancy): (socket: TailSocket) => Promise<void> {
    const params = Params.of(request);
    if (tenancy.isMulti) throw badRequest('multiple org IDs present');
    const expr = parseExpr(params.get('query'));
    const { startNs } = parseTimeRange(params, this.#deps.clock.nowNs());
    const limit = parseLimit(params);
    const delaySeconds = parseUint32(params, 'delay_for', 0);
    if (delaySeconds > delaySecondsMax) {
      throw badRequest(`delay_for can't be greater than ${delaySecondsMax}`);
    }
    if (expr.kind !== 'log') return (socket) => this.#refuse(socket, 'only log selector is supported');
    checkEntriesLimit(limit, this.#deps.frontend.limitsFor(tenancy, request));
    const categorized = (request.headers.get('x-loki-response-encoding-flags') ?? '').includes(
      'categorize-labels',
    );
    const tail: TailQuery = {
      text: printExpr(expr),
      startNs,
      limit,
      delaySeconds,
      historyLabels: categorized ? 'categorized' : 'merged',
      // Loki passes on what comes in as it was pushed when no stage stands behind the selector; its history
      // is a query's.
      liveLabels: categorized ? 'categorized' : expr.stages.length > 0 ? 'merged' : 'own',
    };
    return (socket) => this.#run(socket, tenancy, tail);
  }

  #refuse(socket: TailSocket, reason: string): Promise<void> {
    socket.close(closeCode, reason);
    return Promise.resolve();
  }

  async #run(socket: TailSocket, tenancy: Tenancy, tail: TailQuery): Promise<void> {
    const tenant = tenancy.ids[0];
    const max = this.#deps.frontend.limitsFor(tenancy).maxConcurrentTailRequests;
    const open = (this.#openByTenant.get(tenant) ?? 0) + 1;
    if (max > 0 && open > max) {
      return this.#refuse(
        socket,
        `max concurrent tail requests limit exceeded, count > limit (${open} > ${max})`,
      );
    }
    this.#openByTenant.set(tenant, open);
    const stop = new AbortController();
    const end = (reason: string) => stop.abort(reason);
    socket.signal.addEventListener('abort', () => end(''), { once: true });
    const { timers, tailMaxDurationMs = tailDurationMaxMs } = this.#deps;
    const timer = timers.after(tailMaxDurationMs, () => end('reached tail max duration limit'));
    try {
      await this.#stream(socket, tenancy, tail, stop.signal);
      if (!stop.signal.aborted) socket.close(closeCode, 'all ingesters closed the connection');
    } catch (error) {
      if (!stop.signal.aborted) {
        socket.close(closeCode, error instanceof LokiError ? error.message : 'internal error');
      }
    } finally {
      if (typeof stop.signal.reason === 'string' && stop.signal.reason !== '') {
        socket.close(closeCode, stop.signal.reason);
      }
      timer.cancel();
      stop.abort('');
      const left = (this.#openByTenant.get(tenant) ?? 1) - 1;
      if (left > 0) this.#openByTenant.set(tenant, left);
      else this.#openByTenant.delete(tenant);
    }
  }

  async #stream(socket: TailSocket, tenancy: Tenancy, tail: TailQuery, signal: AbortSignal): Promise<void> {
    const { querier, frontend, clock, timers } = this.#deps;
    const base = { kind: 'log' as const, tenant: tenancy.ids[0], expr: tail.text, limit: tail.limit };
    // Subscribed before history is read, so that nothing falls between; what both bring is sent once.
    const live = querier.tail(
      { ...base, startNs: tail.startNs, endNs: farFutureNs, direction: 'forward' },
      signal,
    );
    const frames = live[Symbol.asyncIterator]();
    const begun = await frontend.withDeadline(tenancy, signal, () => frames.next());
    const endNs = clock.nowNs();
    const history = await frontend.withDeadline(tenancy, signal, (deadline) =>
      querier.runLeaf({ ...base, startNs: tail.startNs, endNs, direction: 'backward' }, deadline),
    );
    const sent = new Set<string>();
    if (history.kind === 'log') {
      const rows = reversed(history);
      for (let row = 0; row < rows.labelSet.length; row++) sent.add(rowKey(rows, row));
      const labels = tail.historyLabels;
      await sendRows(socket, rows, { dropped: 0, nowNs: endNs, labels, without: new Set() });
    }
    let frame = begun;
    for (;;) {
      // Not before the client has taken the frame before: what it is too slow for is dropped by the
      // ingesters.
      if (!frame.done) frame = await frames.next();
      if (frame.done || signal.aborted) return;
      if (tail.delaySeconds > 0) await timers.sleep(tail.delaySeconds * 1000, signal);
      if (frame.value.result.kind === 'log') {
        const { result, dropped } = frame.value;
        const labels = tail.liveLabels;
        await sendRows(socket, result, { dropped, nowNs: clock.nowNs(), labels, without: sent });
      }
    }
  }
}

/** Each entry is a stream object of its own, a hundred to a frame: what Loki's clients get. */
async function sendRows(
  socket: TailSocket,
  rows: LogLeafResult,
  options: { dropped: number; nowNs: bigint; labels: TailLabels; without: ReadonlySet<string> },
): Promise<void> {
  const { dropped, labels, without } = options;
  const lines = Buffer.from(rows.lines.buffer, rows.lines.byteOffset, rows.lines.byteLength);
  const count = rows.labelSet.length;
  const streams = rows.labelSets.map((set) =>
    pairsJson(labels === 'merged' ? mergedLabels(set) : set.stream),
  );
  const extras = rows.labelSets.map((set) => (labels === 'categorized' ? `,${categoriesJson(set)}` : ''));
  const flags = labels === 'categorized' ? ',"encodingFlags":["categorize-labels"]' : '';
  let entries: string[] = [];
  for (let row = 0; row < count; row++) {
    if (without.size > 0 && without.has(rowKey(rows, row))) continue;
    if (entries.length === frameEntriesMax) {
      await socket.send(`{"streams":[${entries.join(',')}]${flags}}`);
      entries = [];
    }
    const set = rows.labelSet[row];
    entries.push(
      `{"stream":${streams[set]},"values":[["${rows.timestampNs[row]}",${goJsonString(lineText(lines, rows.lineEnds, row))}${extras[set]}]]}`,
    );
  }
  const atNs = count > 0 ? rows.timestampNs[0] : options.nowNs;
  const lost = dropped > 0 ? droppedJson(dropped, atNs) : '';
  if (entries.length > 0 || lost !== '') {
    await socket.send(`{"streams":[${entries.join(',')}]${lost}${flags}}`);
  }
}

/** Entries that the client was too slow for: which ones they were is not known any more. */
function droppedJson(count: number, atNs: bigint): string {
  const entry = `{"timestamp":"${atNs}","labels":{}}`;
  return `,"dropped_entries":[${Array<string>(Math.min(count, frameDroppedMax)).fill(entry).join(',')}]`;
}

/**
 * The identity of an entry: its stream, time and line. Short, because those of the history are kept as long
 * as the tail.
 */
function rowKey(rows: LogLeafResult, row: number): string {
  const from = row === 0 ? 0 : rows.lineEnds[row - 1];
  const { hash } = rows.labelSets[rows.labelSet[row]].origin;
  return `${hash} ${rows.timestampNs[row]} ${hash64Bytes(rows.lines.subarray(from, rows.lineEnds[row]))}`;
}

/** Newest-first rows, oldest first. */
function reversed(rows: LogLeafResult): LogLeafResult {
  const count = rows.labelSet.length;
  const lineEnds = new Uint32Array(count);
  const lines = Buffer.allocUnsafe(rows.lines.length);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const row = count - 1 - i;
    lines.set(rows.lines.subarray(row === 0 ? 0 : rows.lineEnds[row - 1], rows.lineEnds[row]), end);
    end += rows.lineEnds[row] - (row === 0 ? 0 : rows.lineEnds[row - 1]);
    lineEnds[i] = end;
  }
  return {
    ...rows,
    labelSet: rows.labelSet.slice().reverse(),
    timestampNs: rows.timestampNs.slice().reverse(),
    lineEnds,
    lines,
  };
}
