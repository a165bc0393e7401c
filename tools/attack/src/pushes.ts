/** A cheap source of pushes: bodies in which only timestamps change. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const lineBytes = 120;
const timeoutMs = 10_000;
/**
 * Clients, each with a connection that it keeps. With no client free a push stays unsent: agents buffer, too.
 * Enough clients to send three times the peak while each waits for three seconds, as pushes may.
 */
const socketsMax = 6_000;
/** Waits of an agent that heeds a refusal: each is twice the one before, and no shorter than Retry-After. */
const backoffMs = { least: 500, most: 300_000, times: 10 };
/** Digits of a timestamp in nanoseconds. */
const timeDigits = 19;
const tenant = 'loader';

interface Sent {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/** Answers of one stretch of time. */
export interface Tally {
  sent: number;
  /** Due with all clients waiting for an answer. */
  unsent: number;
  /** 0: none within the client's patience. */
  readonly statuses: Map<number, number>;
  withoutRetryAfter: number;
  /** When pushes began that were refused or slow, on the clock of `performance.now()`. */
  readonly slow: number[];
}

/** Pushes of new lines that cost their sender next to nothing: only timestamps change in their bodies. */
export class Pushes {
  readonly linesPerPush: number;
  /** Each push has a connection of its own. */
  isAnew = false;
  /** A client whose push is refused waits before it sends the push again, as agents do. */
  isHeeding = false;
  readonly #agent: Agent;
  readonly #port: number;
  readonly #templates: readonly Template[];
  readonly #beganNs = BigInt(Date.now()) * 1_000_000n;
  #number = 0;
  #acked = 0;
  #unknown = 0;

  /**
   * @param streams of each push; a divisor of `linesPerPush`
   * @param groups number of groups of streams, which pushes have in turn
   */
  constructor(port: number, streams = 8, linesPerPush = 400, groups = 1) {
    this.linesPerPush = linesPerPush;
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: socketsMax });
    this.#templates = Array.from({ length: groups }, (_, group) => template(group, streams, linesPerPush));
  }

  get acked(): number {
    return this.#acked;
  }

  async send(body = this.#next()): Promise<Sent> {
    const outcome = await this.#post(body);
    if (outcome.status === 204) this.#acked += this.linesPerPush;
    else if (outcome.status === 0 || outcome.status >= 500) this.#unknown += this.linesPerPush;
    return outcome;
  }

  /**
   * Sends pushes at a fixed rate a second, independent of answers; resolves when all are answered.
   *
   * @param tell called each minute
   * @param usualMs acknowledged later than this is slow
   */
  async openLoop(
    perSecond: number,
    seconds: number,
    tell?: (tally: Tally, seconds: number) => void,
    usualMs = Infinity,
  ): Promise<Tally> {
    const tally: Tally = { sent: 0, unsent: 0, statuses: new Map(), withoutRetryAfter: 0, slow: [] };
    const beganMs = performance.now();
    const pending = new Set<Promise<void>>();
    const over = new AbortController();
    let toldMinutes = 0;
    for (;;) {
      const passed = (performance.now() - beganMs) / 1000;
      if (passed >= seconds) break;
      while (tally.sent + tally.unsent < passed * perSecond) {
        if (pending.size >= socketsMax) {
          tally.unsent += 1;
          continue;
        }
        tally.sent += 1;
        const one = this.#counted(tally, usualMs, over.signal).finally(() => pending.delete(one));
        pending.add(one);
      }
      if (passed >= 60 * (toldMinutes + 1)) tell?.(tally, 60 * ++toldMinutes);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    over.abort();
    await Promise.all(pending);
    return tally;
  }

  /** Compares counted lines with acknowledged ones; empty: all are there. */
  async miscounted(): Promise<string[]> {
    const query = 'sum(count_over_time({app="overload"}[2h]))';
    const time = String(BigInt(Date.now()) * 1_000_000n + 60_000_000_000n);
    const url = `http://127.0.0.1:${this.#port}/loki/api/v1/query?${new URLSearchParams({ query, time }).toString()}`;
    const response = await fetch(url, { headers: { 'x-scope-orgid': tenant } });
    const text = await response.text();
    if (response.status !== 200) return [`the count at the end: ${response.status} ${text.slice(0, 200)}`];
    const answer = JSON.parse(text) as { data: { result: { value: [number, string] }[] } };
    const count = Number(answer.data.result[0]?.value[1] ?? 0);
    console.log(`${count} lines are there, ${this.#acked} were acknowledged, ${this.#unknown} are unknown`);
    const isRight = count >= this.#acked && count <= this.#acked + this.#unknown;
    return isRight ? [] : [`${count} lines are there, ${this.#acked} were acknowledged`];
  }

  end(): void {
    this.#agent.destroy();
  }

  async #counted(tally: Tally, usualMs: number, signal: AbortSignal): Promise<void> {
    const body = this.#next();
    let waitMs = backoffMs.least;
    for (let i = 0; ; i++) {
      const beganMs = performance.now();
      const { status, retryAfter } = await this.send(body);
      tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
      if ((status === 429 || status === 503) && retryAfter === undefined) tally.withoutRetryAfter += 1;
      if (status !== 204 || performance.now() - beganMs > usualMs) tally.slow.push(beganMs);
      if (status === 204 || !this.isHeeding || i === backoffMs.times || signal.aborted) return;
      const restMs = Math.max(waitMs * (0.5 + Math.random() / 2), Number(retryAfter ?? 0) * 1000);
      await sleep(restMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      waitMs = Math.min(2 * waitMs, backoffMs.most);
    }
  }

  /** The body with timestamps that no push had before. */
  #next(): Buffer {
    const { text, times } = this.#templates[this.#number % this.#templates.length];
    const body = Buffer.from(text);
    const firstNs = this.#beganNs + BigInt(this.#number++ * this.linesPerPush) * 1_000n;
    for (const [i, at] of times.entries()) {
      body.write(String(firstNs + BigInt(i) * 1_000n), at, 'latin1');
    }
    return body;
  }

  #post(body: Buffer): Promise<Sent> {
    return new Promise((resolve) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          path: '/loki/api/v1/push',
          method: 'POST',
          agent: this.isAnew ? false : this.#agent,
          headers: {
            'x-scope-orgid': tenant,
            'content-type': 'application/json',
            'content-length': body.length,
          },
          signal: AbortSignal.timeout(timeoutMs),
        },
        (response) => {
          response.resume();
          response.once('close', () =>
            resolve({ status: response.statusCode!, retryAfter: response.headers['retry-after'] }),
          );
        },
      );
      outgoing.once('error', () => resolve({ status: 0, retryAfter: undefined }));
      outgoing.end(body);
    });
  }
}

/** A body, and where in it the timestamps are. */
interface Template {
  readonly text: Buffer;
  readonly times: readonly number[];
}

function template(group: number, streams: number, linesPerPush: number): Template {
  const times: number[] = [];
  let text = '{"streams":[';
  for (let stream = 0; stream < streams; stream++) {
    text += `${stream > 0 ? ',' : ''}{"stream":{"app":"overload","pod":"${group}-${stream}"},"values":[`;
    for (let i = 0; i < linesPerPush / streams; i++) {
      text += i > 0 ? ',["' : '["';
      times.push(text.length);
      const words = `GET /api/${stream}/${(i * 7919) % 1009} status=${200 + (i % 5)} took=${(i * 31) % 997}ms`;
      text += `${'0'.repeat(timeDigits)}","${words.padEnd(lineBytes, ' user=4711 region=eu')}"]`;
    }
    text += ']}';
  }
  return { text: Buffer.from(`${text}]}`), times };
}
