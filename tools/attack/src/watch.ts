/**
 * Sends the other tenant's requests from a thread of its own: the attacker's busy event loop does not distort
 * the figures. Main starts this file as a worker; a message ends it, and it returns the figures.
 */
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

const { port, everyMs, areLabelsAsked } = workerData as {
  readonly port: number;
  readonly everyMs: number;
  readonly areLabelsAsked: boolean;
};
const timeoutMs = 30_000;
const agent = new Agent({ keepAlive: true });
const labels: number[] = [];
const times = {
  ready: [] as number[],
  push: [] as number[],
  query: [] as number[],
  ...(areLabelsAsked ? { labels } : {}),
};
const failures: string[] = [];
/** Running requests: at the end each counts with its time so far. */
const unanswered = new Set<() => void>();
let isStopping = false;

function ask(method: string, path: string, body?: string): Promise<number> {
  const beganMs = performance.now();
  return new Promise((resolve) => {
    const fail = (reason: string): void => {
      if (!isStopping) failures.push(`${method} ${path.slice(0, 40)}: ${reason}`);
      resolve(Number.NaN);
    };
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent,
        headers: { 'x-scope-orgid': 'neighbour', ...(body ? { 'content-type': 'application/json' } : {}) },
        timeout: timeoutMs,
      },
      (response) => {
        response.resume();
        response.once('end', () => {
          if (response.statusCode! >= 300) fail(`status ${response.statusCode}`);
          else resolve(performance.now() - beganMs);
        });
      },
    );
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer')));
    outgoing.once('error', (error) => fail(error.message));
    outgoing.end(body);
  });
}

async function repeat(into: number[], once: () => Promise<number>): Promise<void> {
  while (!isStopping) {
    const beganMs = performance.now();
    const waiting = () => into.push(performance.now() - beganMs);
    unanswered.add(waiting);
    const ms = await once();
    unanswered.delete(waiting);
    if (!isStopping) into.push(ms);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

const smallPush = (): string =>
  JSON.stringify({
    streams: [{ stream: { app: 'neighbour' }, values: [[`${Date.now()}000000`, 'a line of a neighbour']] }],
  });
const smallQuery = `/loki/api/v1/query_range?query=${encodeURIComponent('{app="neighbour"}')}&limit=10`;

// The process has served others before: a first query starts a thread, and `npm run bench` tells its time.
await ask('POST', '/loki/api/v1/push', smallPush());
await ask('GET', smallQuery);
void repeat(times.ready, () => ask('GET', '/ready'));
void repeat(times.push, () => ask('POST', '/loki/api/v1/push', smallPush()));
void repeat(times.query, () => ask('GET', smallQuery));
if (areLabelsAsked) void repeat(labels, () => ask('GET', '/loki/api/v1/labels'));

parentPort!.once('message', () => {
  isStopping = true;
  for (const count of unanswered) count();
  agent.destroy();
  parentPort!.postMessage({ times, failures });
  parentPort!.close();
});
