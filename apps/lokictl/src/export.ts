/** `lokictl export`: prints all lines of a log query, resumes after broken connections. */
import { AdminClient, adminFlags, AdminError } from './admin-client.ts';
import { UsageError } from './command.ts';
import type { Command, CommandIo, ParsedArgs } from './command.ts';
import { paramsOf, rangeFlags, tenantHeaders } from './query-flags.ts';

/**
 * Consecutive breaks of an export without progress: three quarters of a minute, enough for a server to
 * restart.
 */
const triesMax = 10;
const pauseMinMs = 250;
const pauseMaxMs = 10_000;
/** Statuses of a server that restarts or is busy, or of a proxy before it. */
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** `lokictl export` */
export const exportLogs: Command = {
  words: ['export'],
  arguments: ['QUERY'],
  summary:
    'Prints all lines of a log query as JSON, each once, without a limit. Continues after a broken connection. Prints the last cursor on the error output.',
  flags: [
    ...rangeFlags,
    { name: 'limit', value: 'LINES', summary: 'stop after about this many lines' },
    { name: 'direction', value: 'DIRECTION', summary: 'order of lines: forward (default) or backward' },
    { name: 'cursor', value: 'CURSOR', summary: 'continue where an earlier export ended' },
    ...adminFlags.filter(({ name }) => name !== 'json'),
  ],
  async run(args, io) {
    const client = await AdminClient.one(args, io);
    const params = paramsOf(args, ['start', 'end', 'since', 'direction', 'cursor']);
    params.set('query', args.positional[0]);
    const limit = Number(args.flags.get('limit') ?? '0');
    if (!Number.isInteger(limit) || limit < 0) throw new UsageError('--limit needs a number of lines');
    const progress = new Progress(io);
    for (let tries = 0; ; tries++) {
      const before = progress.cursor;
      if (limit > 0) params.set('limit', String(limit - progress.lines));
      if (before !== undefined) params.set('cursor', before);
      try {
        await part(client, params, args, progress);
        io.err(`${progress.lines} lines; cursor ${progress.cursor ?? ''}\n`);
        return 0;
      } catch (error) {
        if (progress.cursor !== before) tries = 0;
        // A server that has never answered gets no retry: the address may be wrong.
        if (!(error instanceof BrokenOff) || !progress.hasBegun || tries + 1 >= triesMax) {
          io.err(`${progress.lines} lines; cursor ${progress.cursor ?? ''}\n`);
          throw error;
        }
        io.err(`${error.message}; trying again\n`);
        await io.pause(Math.min(pauseMinMs * 2 ** tries, pauseMaxMs));
      }
    }
  },
};

/** Whether the export can continue. */
class BrokenOff extends AdminError {}

async function part(
  client: AdminClient,
  params: URLSearchParams,
  args: ParsedArgs,
  progress: Progress,
): Promise<void> {
  let status: number;
  try {
    status = await client.stream(`/loki/api/v1/export?${params.toString()}`, tenantHeaders(args), (chunk) =>
      progress.take(chunk),
    );
  } catch (error) {
    progress.breakOff();
    throw new BrokenOff(error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (status !== 200) {
    const text = `${client.address}: ${status} ${progress.unread}`;
    progress.breakOff();
    throw passing.has(status) ? new BrokenOff(text) : new AdminError(text);
  }
  if (!progress.isEnded) throw new BrokenOff('the export has no end');
}

/**
 * Prints the lines of an export: those after a cursor only when the next cursor has come, so that no line is
 * printed twice.
 */
class Progress {
  cursor: string | undefined;
  /** Number of printed lines. */
  lines = 0;
  isEnded = false;
  /** The server has answered. */
  hasBegun = false;
  /** The beginning of a line whose end has not come. */
  #partialLine = '';
  #waiting: string[] = [];
  readonly #io: CommandIo;
  readonly #decoder = new TextDecoder();

  constructor(io: CommandIo) {
    this.#io = io;
  }

  /** Bytes that are no part of an export: a refusal. */
  get unread(): string {
    return [...this.#waiting, this.#partialLine].join(' ').trim();
  }

  take(chunk: Buffer): void {
    this.hasBegun = true;
    const lines = (this.#partialLine + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#partialLine = lines.pop()!;
    for (const line of lines) this.#line(line);
  }

  breakOff(): void {
    this.#waiting = [];
    this.#partialLine = '';
    this.#decoder.decode();
  }

  #line(line: string): void {
    if (!line.startsWith('{"cursor":')) {
      this.#waiting.push(line);
      return;
    }
    const { cursor, error } = JSON.parse(line) as { cursor: string; error?: string };
    if (error !== undefined) return;
    this.isEnded = line.includes('"done":');
    this.cursor = cursor;
    this.lines += this.#waiting.length;
    if (this.#waiting.length > 0) this.#io.out(`${this.#waiting.join('\n')}\n`);
    this.#waiting = [];
  }
}
