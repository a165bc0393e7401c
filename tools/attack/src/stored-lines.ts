/** Lines that attacks by query read. */
import { sleep } from './attacker.ts';
import type { Attacker } from './attacker.ts';

const linesPerBody = 8_000;

/** The stage that makes a series of each of the lines below. */
export const seriesOfLines = '| regexp "id=(?P<id>\\\\w+) user=(?P<user>\\\\w+) path=(?P<path>\\\\S+)"';

/** Pushes of this many lines, each with values of its own. */
export function* lineBodies(app: string, lines: number): Generator<string> {
  for (let from = 0; from < lines; from += linesPerBody) {
    const count = Math.min(linesPerBody, lines - from);
    yield bodyOf(
      app,
      Array.from({ length: count }, (_, i) => lineOf(from + i)),
    );
  }
}

function lineOf(i: number): string {
  const id = (i * 2_654_435_761) % 2 ** 32;
  return `id=${id.toString(16).padStart(8, '0')}${i.toString(16).padStart(8, '0')} user=user${i} path=/items/${i}/of/${id} took=${i % 977}ms`;
}

/** One stream with these lines, a microsecond apart. */
export function bodyOf(app: string, lines: readonly string[]): string {
  const ms = Date.now() - 1_000;
  const values = lines.map((line, i) => [`${ms}${String(i * 10).padStart(6, '0')}`, line]);
  return JSON.stringify({ streams: [{ stream: { app }, values }] });
}

/** Long lines, twenty to a push. */
export function* longLines(text: string, count: number): Generator<string> {
  for (let i = 0; i < count; i += 20) {
    yield bodyOf(
      'long',
      Array.from({ length: Math.min(20, count - i) }, (_, k) => `${i + k} ${text}`),
    );
  }
}

/** Pushes all bodies until they are acknowledged. */
export async function pushAll(attacker: Attacker, bodies: Iterable<string>): Promise<void> {
  for (const body of bodies) {
    for (let status = await attacker.push(body); status !== 204; status = await attacker.push(body)) {
      if (status !== 429 && status !== 503) throw new Error(`a push was answered with ${status}`);
      await sleep(100);
    }
  }
}
