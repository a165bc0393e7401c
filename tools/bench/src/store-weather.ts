/** Bad days of an object store, for benchmarks: slow requests, refusals, a narrow line. */
import type { Weather } from '@loki/services';

/** Names of the days. */
export const storeDays = ['fine', 'slow', 'refusing', 'narrow'] as const;
type StoreDay = (typeof storeDays)[number];

export function isStoreDay(text: string): text is StoreDay {
  return (storeDays as readonly string[]).includes(text);
}

/** One request in this many is slow: milliseconds of its delay. */
const slowEvery = 100;
const slowMs = 2_000;
/** One request in this many is refused. */
const refusedEvery = 4;
const narrowBytesPerMs = 20_000;

const refusalBody =
  '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>';
const refusal = Buffer.from(
  `HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: ${refusalBody.length}\r\n\r\n${refusalBody}`,
);

/** The weather of a day: it concerns reads of segments, so that all else runs as on a fine day. */
export function weatherOf(day: StoreDay): Weather | undefined {
  switch (day) {
    case 'fine':
      return undefined;
    case 'slow':
      return eachOf(slowEvery, { delayMs: slowMs });
    case 'refusing':
      return eachOf(refusedEvery, { delayMs: 0, answer: refusal });
    case 'narrow':
      return narrow();
  }
}

function eachOf(every: number, bad: ReturnType<Weather['request']>): Weather {
  // Neither begins with a bad request nor has a period that queries have.
  let count = Math.floor(every / 2);
  return {
    request: (chunk) => {
      const isRead = isSegmentRead(chunk);
      return isRead && ++count % every === 0 ? bad : { delayMs: 0 };
    },
    answerMs: () => 0,
  };
}

function narrow(): Weather {
  let freeMs = 0;
  return {
    request: () => ({ delayMs: 0 }),
    answerMs: (bytes) => {
      const nowMs = performance.now();
      freeMs = Math.max(freeMs, nowMs) + bytes / narrowBytesPerMs;
      return freeMs - nowMs;
    },
  };
}

/** Whether bytes of a client begin a read of a segment: a request without a body is written at once. */
export function isSegmentRead(chunk: Buffer): boolean {
  return /^GET \/[^/?]+\/(?:segments|compacted)\//.test(chunk.toString('latin1', 0, 1024));
}
