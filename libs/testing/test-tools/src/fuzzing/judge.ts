/** Runs one input and says whether the decoder kept its promise. */
import { getHeapStatistics } from 'node:v8';
import { cpuMsMaxDefault, limitBytesDefault } from './target.ts';
import type { FuzzTarget } from './target.ts';

export interface Finding {
  readonly kind: 'exception' | 'slow' | 'memory';
  readonly text: string;
  readonly stack?: string;
}

interface Outcome {
  /** Equal for inputs with the same kind of end: the outcome without its numbers and names. */
  readonly signature: string;
  readonly cpuMs: number;
  readonly finding?: Finding;
}

/**
 * One costly run may contain a compilation or a garbage collection: only runs that are costly each time
 * count.
 */
const repeats = 3;

/**
 * Runs a target on one input and judges it: an error that is not a refusal, too much time or too much memory
 * is a finding. A costly run is repeated, and its best figures count.
 */
export async function judge(target: FuzzTarget, input: Buffer): Promise<Outcome> {
  const bounds = {
    bytesMax: 4 * (target.limitBytes ?? limitBytesDefault),
    cpuMsMax: target.cpuMsMax ?? cpuMsMaxDefault,
  };
  let best = await measure(target, input);
  for (let i = 1; i < repeats && isDear(best, bounds); i++) {
    const second = await measure(target, input);
    best = {
      ...best,
      cpuMs: Math.min(best.cpuMs, second.cpuMs),
      bytes: Math.min(best.bytes, second.bytes),
    };
  }
  return { signature: best.signature, cpuMs: best.cpuMs, finding: findingOf(best, bounds) };
}

interface Measured {
  readonly signature: string;
  readonly failure?: Finding;
  readonly cpuMs: number;
  readonly bytes: number;
}

interface Bounds {
  readonly bytesMax: number;
  readonly cpuMsMax: number;
}

function isDear({ cpuMs, bytes }: Measured, { bytesMax, cpuMsMax }: Bounds): boolean {
  return cpuMs > cpuMsMax || bytes > bytesMax;
}

async function measure(target: FuzzTarget, input: Buffer): Promise<Measured> {
  // A decoder may keep views of its input, or write to it: each run gets a copy.
  const copy = Buffer.from(input);
  const bytesBefore = heldBytes();
  const cpuBefore = process.threadCpuUsage();
  let signature: string;
  let failure: Finding | undefined;
  try {
    const answer = target.run(copy);
    signature = `ok ${typeOf(answer instanceof Promise ? await answer : answer)}`;
  } catch (error) {
    signature = signatureOf(error);
    if (!target.isRefusal(error)) {
      failure = {
        kind: 'exception',
        text: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
        stack: error instanceof Error ? error.stack : undefined,
      };
    }
  }
  const { user, system } = process.threadCpuUsage(cpuBefore);
  return { signature, failure, cpuMs: (user + system) / 1000, bytes: heldBytes() - bytesBefore };
}

function findingOf({ failure, cpuMs, bytes }: Measured, { bytesMax, cpuMsMax }: Bounds): Finding | undefined {
  if (failure) return failure;
  if (cpuMs > cpuMsMax) return { kind: 'slow', text: `${Math.round(cpuMs)} ms of CPU` };
  if (bytes > bytesMax) return { kind: 'memory', text: `${bytes} bytes, ${bytesMax} are allowed` };
  return undefined;
}

function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

function signatureOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  return text
    .slice(0, 200)
    .replace(/\d+/g, '#')
    .replace(/"[^"]*"|`[^`]*`|\|.*\|/gs, '""')
    .slice(0, 80);
}

/** Answers of one kind and about one size count as one outcome. */
function typeOf(answer: unknown): string {
  if (typeof answer === 'string') return answer.length > 24 ? `text ${Math.clz32(answer.length)}` : answer;
  if (typeof answer === 'number') return `number ${Math.clz32(answer)}`;
  if (Array.isArray(answer)) return `list ${Math.clz32(answer.length)}`;
  return typeof answer;
}
