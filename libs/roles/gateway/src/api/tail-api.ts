/** `/loki/api/v1/tail`: the newest stored lines, then new lines as ingesters consume them. */
import type { Work } from '@loki/engine';
import { parseExpr, printLeaf } from '@loki/logql';
import { LokiError } from '@loki/model';
import type { Clock, HttpRequest, LogLeafResult, QuerierService, Timers, Tenancy } from '@loki/ports';
import type { QueryMetrics } from '@loki/telemetry';
import type { QueryFrontend } from '../frontend/query-frontend.ts';
import { checkEntriesLimit } from '../limits/check-query-limits.ts';
import { badRequest, Params, parseLimit, parseTimeRange, parseUint32 } from '../limits/params.ts';
import { rowKey, TailSender } from './tail-sender.ts';
import type { TailLabels, TailSocket } from './tail-sender.ts';

interface TailApiDeps {
  readonly frontend: QueryFrontend;
  readonly querier: QuerierService;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly queryMetrics?: Pick<QueryMetrics, 'tailDropped'>;
  /** `querier.tail_max_duration`: clients open a new one then. Default: 1 h. */
  readonly tailMaxDurationMs?: number;
}

/** Maximum of `delay_for`, the seconds by which a client delays its entries. */
const delaySecondsMax = 5;
const tailDurationMaxMs = 3_600_000;
interface TailQuery {
  readonly text: string;
  readonly startNs: bigint;
  readonly limit: number;
  readonly delaySeconds: number;
  readonly historyLabels: TailLabels;
  readonly liveLabels: TailLabels;
}

/** The last time that fits into int64 nanoseconds. */
const farFutureNs = (1n << 63n) - 1n;
/** WebSocket's code 1011 "internal error"; Loki closes every tail with it. */
const closeCode = 1011;

/** `/loki/api/v1/tail`: first the newest stored entries, then new ones. */
export class TailApi {
  readonly #deps: TailApiDeps;
  readonly #openByTenant = new Map<string, number>();

  constructor(deps: TailApiDeps) {
    this.#deps = deps;
  }

  /** Checks the request before the upgrade; the returned function runs the tail on the open socket. */
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
      text: printLeaf(expr),
      startNs,
      limit,
      delaySeconds,
      historyLabels: categorized ? 'categorized' : 'merged',
      // Without stages Loki sends new entries with the labels of the push; its history is that of a query.
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
      const remaining = (this.#openByTenant.get(tenant) ?? 1) - 1;
      if (remaining > 0) this.#openByTenant.set(tenant, remaining);
      else this.#openByTenant.delete(tenant);
    }
  }

  async #stream(socket: TailSocket, tenancy: Tenancy, tail: TailQuery, signal: AbortSignal): Promise<void> {
    const { querier, frontend, clock, timers, queryMetrics } = this.#deps;
    const tenant = tenancy.ids[0];
    const base = { kind: 'log' as const, tenant, expr: tail.text, limit: tail.limit };
    // Subscribed before history is read, so that nothing falls between; what both bring is sent once.
    const live = querier.tail(
      { ...base, startNs: tail.startNs, endNs: farFutureNs, direction: 'forward' },
      signal,
    );
    const frames = live[Symbol.asyncIterator]();
    const firstFrame = await frontend.withDeadline(tenancy, signal, () => frames.next());
    const endNs = clock.nowNs();
    const onDropped = (entries: number) => queryMetrics?.tailDropped(tenant, entries);
    const sender = new TailSender(socket, timers, onDropped);
    const sendHistory = async () => {
      const history = await frontend.withDeadline(tenancy, signal, (deadline) =>
        querier.runLeaf({ ...base, startNs: tail.startNs, endNs, direction: 'backward' }, deadline),
      );
      if (history.kind !== 'log') return;
      const rows = await frontend.complete(oldestFirst(history, sender.historyKeys), signal);
      return { sent: sender.sendHistory(rows, { dropped: 0, nowNs: endNs, labels: tail.historyLabels }) };
    };
    // Only the sender holds the rows, and can drop them: a client may stall for the life of the tail.
    await (
      await sendHistory()
    )?.sent;
    if (firstFrame.done) return;
    const sendNext = async () => {
      // Waits until the client has received the previous frame: ingesters drop lines for slow clients.
      const { value, done } = await frames.next();
      if (done || signal.aborted) return undefined;
      if (tail.delaySeconds > 0) await timers.sleep(tail.delaySeconds * 1000, signal);
      const { result, dropped } = value;
      if (result.kind !== 'log') return {};
      return { sent: sender.send(result, { dropped, nowNs: clock.nowNs(), labels: tail.liveLabels }) };
    };
    for (let next = await sendNext(); next; next = await sendNext()) await next.sent;
  }
}

/** Rows between two pauses: their lines are copied and hashed. */
const rowsPerSlice = 64;

/** Newest-first rows, oldest first, and the identity of each. */
function* oldestFirst(rows: LogLeafResult, keys: Set<string>): Work<LogLeafResult> {
  const count = rows.labelSet.length;
  const lineEnds = new Uint32Array(count);
  const lines = Buffer.allocUnsafe(rows.lines.length);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const row = count - 1 - i;
    const start = row === 0 ? 0 : rows.lineEnds[row - 1];
    lines.set(rows.lines.subarray(start, rows.lineEnds[row]), end);
    end += rows.lineEnds[row] - start;
    lineEnds[i] = end;
    keys.add(rowKey(rows, row));
    if (i % rowsPerSlice === 0) yield;
  }
  return {
    ...rows,
    labelSet: rows.labelSet.slice().reverse(),
    timestampNs: rows.timestampNs.slice().reverse(),
    lineEnds,
    lines,
  };
}
