/** Runs one process from its command line: reads the configuration, starts `-target`, stops in order. */
import fs from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { loadConfig } from '@loki/config';
import type { Config } from '@loki/config';
import { hasCode, loadHash, LokiError, mib } from '@loki/model';
import type { Logger } from '@loki/ports';
import { IdleCollection, NodeClock, NodeTimers } from '@loki/runtime';
import { buildInfo, createLogger, LogOutput, versionText } from '@loki/telemetry';
import type { LogLevel } from '@loki/telemetry';
import { cloneRevision } from './clone-revision.ts';
import { startProcess } from './process.ts';
import type { ProcessDeps, RunningProcess } from './process.ts';
import { runGrafanaProvision } from './roles/grafana-provision.ts';
import { limitSyntaxChecks } from './roles/limit-syntax-checks.ts';
import type { Adapters } from './stores/adapters.ts';
import { processMemoryBytes } from './stores/memory-bounds.ts';

/** The build of the product sets the commit. */
const info = buildInfo(`node${process.versions.node}`, process.env.LOKI_REVISION ?? cloneRevision());

interface RunOptions {
  /** Target if `-target` is absent. Default: the configuration's, which is `all`. */
  readonly target?: string;
  readonly adapters?: Adapters;
}

/**
 * Runs a process: reads flags and configuration, starts the targets, stops at SIGTERM or SIGINT. Ends the
 * process itself: exit code 0 after an orderly stop, 1 after a failure, 2 for an unknown flag.
 */
export async function run({ target, adapters }: RunOptions = {}): Promise<void> {
  tuneCollector();
  const words = process.argv.slice(2);
  const loaded = await loadConfig({
    argv: target === undefined ? words : [`-target=${target}`, ...words],
    env: (name) => process.env[name],
    readText,
    versionText: versionText(info),
    limitSyntaxChecks,
  });
  if (loaded.kind === 'exit') {
    // The reader of `-help | head` closes the pipe early.
    process.stdout.once('error', () => undefined);
    process.stdout.write(loaded.stdout);
    process.stderr.write(loaded.stderr);
    process.exitCode = loaded.code;
    return;
  }
  await loadHash();
  const { logLevel, logFormat } = loaded.config.server;
  const output = new LogOutput({ fd: process.stderr.fd, timers: new NodeTimers() });
  let onLine: (level: LogLevel) => void = () => {};
  const { logger, control } = createLogger({
    clock: new NodeClock(),
    level: logLevel as 'info',
    format: logFormat,
    write: (line) => output.write(line),
    onLine: (level) => onLine(level),
  });
  for (const notice of loaded.notices) logger[notice.level](notice.message);
  if (loaded.config.components.has('grafana-provision')) {
    process.exitCode = await provisionGrafana(loaded.config.grafanaProvision, logger);
    return;
  }
  await serve(
    {
      ...loaded,
      logger,
      control,
      droppedLogLines: () => output.droppedCount,
      info,
      readText,
      adapters,
    },
    (countLine) => (onLine = countLine),
  );
}

/** Provisions a Grafana once; returns the exit code. */
function provisionGrafana(config: Config['grafanaProvision'], logger: Logger): Promise<number> {
  // As the first process of a container it has no default for signals; the next run continues the work.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info('stopping', { signal });
      process.exit(0);
    });
  }
  return runGrafanaProvision(config, logger);
}

/**
 * Runs the process until a signal or a fatal error ends it.
 *
 * @param onStart receives the function that counts log lines, once the process has started
 */
async function serve(
  deps: ProcessDeps,
  onStart: (countLine: (level: LogLevel) => void) => void,
): Promise<void> {
  const { logger } = deps;
  // A signal's stop and the end that operators asked for meet here.
  const exitStopped = (): never => {
    logger.info('stopped');
    process.exit(0);
  };
  let running: RunningProcess | undefined;
  const stop = (signal: NodeJS.Signals) => {
    logger.info('stopping', { signal });
    // A start may wait for a service for hours. It has acknowledged nothing, and the first process of a
    // container has no default for signals.
    if (!running) process.exit(0);
    running.stop().then(exitStopped, (error: unknown) => {
      logger.error('stopped with an error; nothing acknowledged is lost', { err: String(error) });
      process.exit(1);
    });
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  try {
    running = await startProcess(deps);
    onStart(running.countLine);
    new IdleCollection().start();
    await running.ended;
    exitStopped();
  } catch (error) {
    const text = error instanceof LokiError || !(error instanceof Error) ? String(error) : error.message;
    logger.error('error running loki', { err: text });
    process.exit(1);
  }
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

const roomyBytes = 2048 * mib;

/**
 * By default V8 collects the whole heap after every 64 MB of new buffers: several times a second during
 * ingest, a third of its CPU (1 GB: 39.7 s of CPU before, 24.4 s after). With this flag buffers count towards
 * the heap's limit, and are collected with the heap. Threads that start later inherit it. Not for processes
 * with little memory, which cannot hold uncollected buffers.
 */
function tuneCollector(): void {
  setFlagsFromString('--heap-growing-percent=50');
  if (processMemoryBytes() < roomyBytes) return;
  setFlagsFromString('--external-memory-accounted-in-global-limit');
}
