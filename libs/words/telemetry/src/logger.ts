/** The log of a process: levels, forms and bounds of its lines. */
import { pino } from 'pino';
import type { Clock, LogFields, Logger } from '@loki/ports';
import { escapeDeceptive, formatLogfmt, valueText } from './logfmt.ts';

/** Levels of log lines, the least urgent first. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'logfmt' | 'json';

const severity: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50 };

const reservedKeys: ReadonlySet<string> = new Set(['level', 'ts', 'msg']);

/** Most characters of one value: a log line must not hold a whole body. */
const valueCharsMax = 8192;

interface LogOptions {
  readonly clock: Clock;
  readonly level?: LogLevel;
  readonly format?: LogFormat;
  /** Receives each line with its line end. */
  readonly write: (line: string) => void;
  /** Called for each line, for the counter of log lines. */
  readonly onLine?: (level: LogLevel) => void;
}

/** Shared by all loggers of a process; the level can change at run time. */
export interface LogControl {
  readonly level: LogLevel;
  /** False: no such level. */
  setLevel(level: string): boolean;
}

/**
 * The process's logger with its control. Lines look like Loki's:
 * `level=info ts=… caller=file.ts:12 msg="…" k=v`.
 */
export function createLogger(options: LogOptions): { logger: Logger; control: LogControl } {
  const sink = new LogSink(options);
  return { logger: new SinkLogger(sink, []), control: sink };
}

/** Formats and writes lines. One per process. */
class LogSink implements LogControl {
  level: LogLevel;
  readonly #clock: Clock;
  readonly #format: LogFormat;
  readonly #write: (line: string) => void;
  readonly #onLine: (level: LogLevel) => void;
  readonly #json: ReturnType<typeof pino>;

  constructor(options: LogOptions) {
    this.#clock = options.clock;
    this.level = options.level ?? 'info';
    this.#format = options.format ?? 'logfmt';
    this.#write = (line) => options.write(escapeDeceptive(line));
    this.#onLine = options.onLine ?? (() => {});
    this.#json = pino(
      { level: 'trace', base: null, timestamp: false, formatters: { level: (level) => ({ level }) } },
      { write: (line: string) => this.#write(line) },
    );
  }

  setLevel(level: string): boolean {
    if (!Object.hasOwn(severity, level)) return false;
    this.level = level as LogLevel;
    return true;
  }

  isOn(level: LogLevel): boolean {
    return severity[level] >= severity[this.level];
  }

  line(
    level: LogLevel,
    message: string,
    ownFields: readonly (readonly [string, unknown])[],
    fields?: LogFields,
  ): void {
    this.#onLine(level);
    const all = new Map<string, unknown>([
      ['level', level],
      ['ts', new Date(this.#clock.nowMs()).toISOString()],
      ['caller', undefined],
      ...ownFields,
      ['msg', message],
    ]);
    for (const [key, value] of Object.entries(fields ?? {})) {
      // A field must not replace a standard key: it gets an underscore.
      all.set(reservedKeys.has(key) ? `${key}_` : key, shorten(value));
    }
    if (all.get('caller') === undefined) all.set('caller', callerOf());
    if (this.#format === 'logfmt') this.#write(`${formatLogfmt(all)}\n`);
    else {
      // The JSON writer puts the level first by itself.
      all.delete('level');
      this.#json[level](Object.fromEntries(all));
    }
  }
}

class SinkLogger implements Logger {
  readonly #sink: LogSink;
  readonly #ownFields: readonly (readonly [string, unknown])[];

  constructor(sink: LogSink, ownFields: readonly (readonly [string, unknown])[]) {
    this.#sink = sink;
    this.#ownFields = ownFields;
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#sink.isOn('debug')) this.#sink.line('debug', message, this.#ownFields, fields);
  }

  info(message: string, fields?: LogFields): void {
    if (this.#sink.isOn('info')) this.#sink.line('info', message, this.#ownFields, fields);
  }

  warn(message: string, fields?: LogFields): void {
    if (this.#sink.isOn('warn')) this.#sink.line('warn', message, this.#ownFields, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#sink.line('error', message, this.#ownFields, fields);
  }

  child(fields: LogFields): Logger {
    return new SinkLogger(this.#sink, [...this.#ownFields, ...Object.entries(fields)]);
  }
}

/** Numbers and booleans are not changed, because JSON has them; other values become bounded text. */
function shorten(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined) return value;
  const text = valueText(value);
  return text.length > valueCharsMax ? `${text.slice(0, valueCharsMax)}…` : text;
}

/**
 * `file.ts:line` of the logger's caller, three frames up from here. It takes about 5 µs, and only for written
 * lines.
 */
function callerOf(): string {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 4;
  Error.captureStackTrace(holder);
  Error.stackTraceLimit = limit;
  const frame = holder.stack?.split('\n')[4] ?? '';
  return /([^/\\(\s]+:\d+):\d+\)?$/.exec(frame)?.[1] ?? 'unknown';
}
