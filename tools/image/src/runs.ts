/**
 * Runs containers of the image under runc: each app becomes ready, or names the missing service, and ends
 * well.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePorts } from '@loki/test-tools';
import type { Checks } from './checks.ts';
import { Container } from './container.ts';
import { cpuSeconds, residentBytes } from './measure.ts';

const memoryMib = 512;
const cpuToReadyMax = 1.2;
/** The same in starts of Node alone, for machines that are slower or busy. */
const startsToReadyMax = 60;
const residentMibMax = 110;
/** Of the shortest grace period that the chart gives. */
const graceMs = 60_000;
const readyMsMax = 120_000;
/** A fresh process has settled after that. */
const idleMs = 6_000;

interface Place {
  readonly bundle: string;
  readonly directory: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** @param directory  for the volumes, configurations and logs of the runs */
export async function checkRuns(checks: Checks, bundle: string, directory: string): Promise<void> {
  const place = { bundle, directory };
  await checkEverything(checks, place);
  for (const target of ['querier', 'compactor', 'ruler', 'write']) {
    await checkAlone(checks, place, { target, config: soleProcess, expected: 200, says: /^ready/ });
  }
  await checkAlone(checks, place, {
    target: 'gateway',
    config: soleProcess,
    expected: 503,
    says: /quer(?:ier|y-frontend)/i,
  });
  for (const target of ['distributor', 'ingester']) {
    await checkAlone(checks, place, { target, config: withoutLog, expected: 503, says: /log|kafka/i });
  }
  for (const target of ['all', 'gateway', 'distributor', 'ingester', 'querier', 'compactor', 'ruler']) {
    await checkAlone(checks, place, { target, config: withoutServices, expected: 503, says: /\S/ });
  }
}

/** Seconds of CPU that a start of Node takes here, at present. */
function plainStartSeconds(): number {
  const program = 'const { user, system } = process.cpuUsage(); (user + system) / 1e6';
  return Number(execFileSync(process.execPath, ['-p', program], { encoding: 'utf8' }));
}

/** One process: its start, a line in and out, the same line after a restart, the tools beside it. */
async function checkEverything(checks: Checks, place: Place): Promise<void> {
  const [port, grpcPort, canaryPort] = await freePorts(3);
  const url = `http://127.0.0.1:${port}`;
  const args = ['all', '-common.path-prefix=/var/loki', ...portFlags(port, grpcPort)];
  const loki = start(place, 'all', args);
  const ready = await answerOf(loki, `${url}/ready`, (each) => each.status === 200);
  checks.check('all: becomes ready', ready.status === 200, ready.text);
  if (ready.status !== 200) return;
  const cpu = cpuSeconds(loki.pid!);
  const plain = plainStartSeconds();
  checks.check(
    'all: at most 1.2 s of CPU until then, or 60 starts of Node',
    cpu <= Math.max(cpuToReadyMax, startsToReadyMax * plain),
    `${cpu} s, a start of Node ${plain} s`,
  );
  await sleep(idleMs);
  const resident = residentBytes(loki.pid!) / 2 ** 20;
  checks.check(
    'all: at most 110 MiB resident, idle',
    resident <= residentMibMax,
    `${resident.toFixed(1)} MiB`,
  );
  checks.check(
    'all: knows its bound of memory',
    loki.log().includes(`memoryMib=${memoryMib}`),
    `${memoryMib} MiB`,
  );

  const values = [[`${Date.now()}000000`, 'a line in a container']];
  const pushed = await fetch(`${url}/loki/api/v1/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ streams: [{ stream: { app: 'image' }, values }] }),
  });
  checks.check('all: takes a push', pushed.status === 204, String(pushed.status));
  const query = `${url}/loki/api/v1/query_range?query=${encodeURIComponent('{app="image"} |= "line"')}`;
  const answers = (): Promise<Answer> =>
    answerOf(loki, query, (each) => each.text.includes('a line in a container'));
  checks.check('all: answers a query', (await answers()).text.includes('in a container'), '1 line');

  const ctl = start(place, 'lokictl', ['lokictl', 'labels', '--addr', url]);
  const code = await ctl.ended;
  checks.check('lokictl: lists labels', code === 0 && ctl.log().includes('app'), ctl.log().trim());
  const canary = start(place, 'canary', [
    'canary',
    `-addr=127.0.0.1:${port}`,
    '-push',
    `-port=${canaryPort}`,
  ]);
  const metrics = await answerOf(canary, `http://127.0.0.1:${canaryPort}/metrics`, ({ text }) =>
    /^loki_canary_entries_total [1-9]/m.test(text),
  );
  const written = /^loki_canary_entries_total.*/m.exec(metrics.text)?.[0] ?? canary.log();
  checks.check('canary: writes lines', /[1-9]/.test(written), written);
  await checkEnd(checks, 'canary', canary);
  await checkEnd(checks, 'all', loki);

  const second = start(place, 'all', args);
  const restarted = await answerOf(second, query, (each) => each.text.includes('a line in a container'));
  checks.check(
    'all: has the line after a restart',
    restarted.text.includes('in a container'),
    String(restarted.status),
  );
  await checkEnd(checks, 'all, again', second);
}

interface Alone {
  readonly target: string;
  /** Its configuration, with a name for the report. */
  readonly config: NamedConfig;
  readonly expected: number;
  /** The text that /ready must answer. */
  readonly says: RegExp;
}

async function checkAlone(
  checks: Checks,
  place: Place,
  { target, config, expected, says }: Alone,
): Promise<void> {
  const name = `${target}, ${config.name}`;
  const [port, grpcPort] = await freePorts(2);
  const args = [`-target=${target}`, '-config.file=/etc/loki/loki.yaml', ...portFlags(port, grpcPort)];
  const loki = start(place, `${target}-${config.file}`, args, config.text);
  const isSaid = (each: Answer): boolean =>
    each.status === expected && says.test(each.text) && !each.text.includes('the process is starting');
  const answer = await answerOf(loki, `http://127.0.0.1:${port}/ready`, isSaid);
  const text = answer.text.trim().split('\n')[0];
  checks.check(`${name}: /ready is ${expected}`, isSaid(answer), `${answer.status} ${text}`);
  await checkEnd(checks, name, loki);
}

async function checkEnd(checks: Checks, name: string, container: Container): Promise<void> {
  const startMs = performance.now();
  const code = await container.stop(graceMs);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  checks.check(`${name}: SIGTERM ends it with 0`, code === 0, `${code} after ${seconds} s`);
  if (code !== 0) console.log(container.log().slice(-2000));
}

interface NamedConfig {
  readonly name: string;
  readonly file: string;
  readonly text: string;
}

const soleProcess: NamedConfig = {
  name: 'alone',
  file: 'alone',
  text: 'common: {path_prefix: /var/loki, ring: {kvstore: {store: inmemory}}}\n',
};

/** No server listens there. */
const deadAddress = '127.0.0.1:9';
const kafka = `write_log: {kind: kafka}
kafka_config: {topic: loki, reader_config: {address: '${deadAddress}'}, writer_config: {address: '${deadAddress}'}}
`;

const withoutLog: NamedConfig = {
  name: 'without its Kafka',
  file: 'without-log',
  text: `${soleProcess.text}${kafka}`,
};

const withoutServices: NamedConfig = {
  name: 'without Kafka, Redis and S3',
  file: 'without-services',
  text: `common:
  path_prefix: /var/loki
  ring: {kvstore: {store: redis, redis: {endpoint: '${deadAddress}'}}}
  storage: {s3: {endpoint: 'http://${deadAddress}', bucketnames: loki, access_key_id: a, secret_access_key: b}}
${kafka}`,
};

function start(place: Place, name: string, args: readonly string[], config?: string): Container {
  const directory = path.join(place.directory, name);
  fs.mkdirSync(directory, { recursive: true });
  return Container.start({
    name: `loki-image-${process.pid}-${name}`,
    bundle: place.bundle,
    directory,
    args,
    memoryMib,
    config: config === undefined ? {} : { 'loki.yaml': config },
  });
}

function portFlags(port: number, grpcPort: number): string[] {
  return [`-server.http-listen-port=${port}`, `-server.grpc-listen-port=${grpcPort}`];
}

/** The first good answer, or the last one before the container ends or the time is over. */
async function answerOf(
  container: Container,
  url: string,
  isGood: (answer: Answer) => boolean,
): Promise<Answer> {
  const deadlineMs = Date.now() + readyMsMax;
  let code: number | undefined;
  void container.ended.then((exitCode) => (code = exitCode));
  let answer: Answer = { status: 0, text: 'no answer' };
  while (Date.now() < deadlineMs) {
    try {
      const response = await fetch(url);
      answer = { status: response.status, text: await response.text() };
      if (isGood(answer)) return answer;
    } catch {
      // Not listening yet.
    }
    if (code !== undefined) {
      return { status: 0, text: `it ended with ${code}: ${container.log().slice(-500)}` };
    }
    await sleep(50);
  }
  return answer;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
