#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/**
 * The canary: writes lines of its own to Loki, follows them, and serves metrics of late, missing, repeated
 * and disordered lines. With -ledger.file it numbers each line, stores each answer, and judges all of them at
 * the end: exit code 1 when a line is lost or repeated.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  addressesOf,
  Canary,
  canaryFlags,
  FlagError,
  flagsText,
  headersOf,
  LokiClient,
  parseFlags,
  runLedger,
} from '@loki/canary';
import type { CanaryOptions } from '@loki/canary';
import { NodeClock, NodeDisk, NodeHttpClient, NodeRandom, NodeTimers } from '@loki/runtime';
import { buildInfo, canaryMetrics, createLogger, LogOutput, Metrics, versionText } from '@loki/telemetry';
import { followTail } from './follow.ts';
import { serveAdmin } from './serve-admin.ts';

const exitUsage = 2;
/** Pause before a query of the ledger is repeated; the canary's own pushes have a pause of their own. */
const retryAfterMs = 500;

async function main(): Promise<number> {
  let options: CanaryOptions;
  try {
    options = parseFlags(canaryFlags, process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    process.stderr.write(`${error.message}\n${flagsText('loki-canary', canaryFlags)}`);
    return exitUsage;
  }
  if (options.help) {
    process.stderr.write(flagsText('loki-canary', canaryFlags));
    return 0;
  }
  if (options.version) {
    process.stdout.write(versionText(buildInfo(`node${process.versions.node}`, process.env.LOKI_REVISION)));
    return 0;
  }
  if (options.addr === '') {
    process.stderr.write('-addr must be set: Loki’s host:port\n');
    return exitUsage;
  }
  // As Loki's canary: pushed lines are another stream than those that an agent reads from stdout.
  if (options.push && options.streamvalue === canaryFlags.streamvalue.value) {
    options = { ...options, streamvalue: 'push' };
  }
  const http = new NodeHttpClient();
  try {
    const client = new LokiClient({
      http,
      timers: new NodeTimers(),
      addresses: addressesOf(options),
      headers: headersOf(options),
      tls: tlsOf(options),
      writeTimeoutMs: options['write-timeout'],
      queryTimeoutMs: options['query-timeout'],
      retryAfterMs,
    });
    return await (options['ledger.file'] === '' ? runCanary(client, options) : judge(client, options));
  } finally {
    http.close();
  }
}

async function runCanary(client: LokiClient, options: CanaryOptions): Promise<number> {
  const clock = new NodeClock();
  const timers = new NodeTimers();
  const output = new LogOutput({ fd: process.stderr.fd, timers });
  const { logger } = createLogger({
    clock,
    level: 'info',
    format: 'logfmt',
    write: (line) => output.write(line),
    onLine: () => {},
  });
  const metrics = new Metrics();
  const canary = new Canary(
    {
      client,
      clock,
      timers,
      random: new NodeRandom(),
      logger,
      metrics: canaryMetrics(metrics, options.buckets),
      follow: followTail({
        address: addressesOf(options)[0],
        headers: headersOf(options),
        tls: tlsOf(options),
      }),
      print: (line) => process.stdout.write(`${line}\n`),
    },
    options,
  );
  const admin = await serveAdmin(options.port, { metrics, canary });
  logger.info('the canary started', { address: options.addr, port: admin.port });
  const stopped = untilSignal(() => canary.stop());
  await canary.run();
  stopped();
  admin.close();
  return 0;
}

async function judge(client: LokiClient, options: CanaryOptions): Promise<number> {
  const file = path.resolve(options['ledger.file']);
  const stop = new AbortController();
  const forget = untilSignal(() => stop.abort());
  const report = await runLedger(
    {
      client,
      clock: new NodeClock(),
      timers: new NodeTimers(),
      random: new NodeRandom(),
      disk: new NodeDisk(path.dirname(file)),
      signal: stop.signal,
    },
    options,
    path.basename(file),
  );
  forget();
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  if (options['ledger.report'] === '') process.stdout.write(text);
  else writeFileSync(options['ledger.report'], text);
  return report.isGood ? 0 : 1;
}

/** @returns a function that ends the subscription */
function untilSignal(stop: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, stop);
  // The timers of the ports do not keep a process alive: this one does.
  const alive = setInterval(() => undefined, 60_000);
  return () => {
    clearInterval(alive);
    for (const signal of signals) process.off(signal, stop);
  };
}

function tlsOf(options: CanaryOptions) {
  if (!options.tls) return undefined;
  return {
    caFile: options['ca-file'],
    certFile: options['cert-file'],
    keyFile: options['key-file'],
    insecureSkipVerify: options.insecure,
  };
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
