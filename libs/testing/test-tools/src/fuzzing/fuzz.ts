/** A round of fuzzing: inputs of a seed, one after the other, and the first one of each kind that fails. */
import { Prng } from '@loki/virtual';
import { judge } from './judge.ts';
import type { Finding } from './judge.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { mutateProtobuf } from './mutate-protobuf.ts';
import { mutateText } from './mutate-text.ts';
import { inputBytesMax } from './target.ts';
import type { FuzzTarget } from './target.ts';

/** An input that a target did not handle, with its seed and number. */
export interface FailedInput {
  readonly target: string;
  readonly seed: number;
  /** Number of inputs of the seed up to this one, inclusive. */
  readonly count: number;
  readonly input: Buffer;
  readonly finding: Finding;
}

interface Round {
  readonly inputs: number;
  /** Number of different kinds of outcomes. */
  readonly outcomes: number;
  readonly cpuMsMost: number;
  readonly failures: readonly FailedInput[];
}

interface RoundOptions {
  readonly seed: number;
  readonly count: number;
  /** Called before each input: so an input that never returns is known. */
  readonly onInput?: (count: number) => void;
  /** True: the time is over. */
  readonly isOver?: () => boolean;
}

/** Inputs with a new kind of outcome join the corpus; further ones are dropped. */
const poolMax = 400;
/** Larger inputs are not changed: a change is lost in them, and each run is costly. */
const poolInputBytesMax = 8 * 1024;

const mutate = { bytes: mutateBytes, text: mutateText, protobuf: mutateProtobuf };

/** The same seed gives the same inputs in the same order. */
export async function fuzz(target: FuzzTarget, options: RoundOptions): Promise<Round> {
  const signatures = new Set<string>();
  const kinds = new Map<string, FailedInput>();
  let inputs = 0;
  let cpuMsMost = 0;
  for (const [input, keep] of inputsOf(target, options.seed)) {
    if (inputs >= options.count || options.isOver?.()) break;
    inputs++;
    options.onInput?.(inputs);
    const { signature, finding, cpuMs } = await judge(target, input);
    cpuMsMost = Math.max(cpuMsMost, cpuMs);
    if (!signatures.has(signature)) {
      signatures.add(signature);
      keep();
    }
    const kind = `${finding?.kind} ${signature}`;
    if (!finding || kinds.has(kind)) continue;
    kinds.set(kind, { target: target.name, seed: options.seed, count: inputs, input, finding });
  }
  return { inputs, outcomes: signatures.size, cpuMsMost, failures: [...kinds.values()] };
}

/** The input at a position of the seed; for one that never returned. */
export async function inputAt(target: FuzzTarget, seed: number, count: number): Promise<Buffer> {
  let last = Buffer.alloc(0);
  const recorder: FuzzTarget = {
    ...target,
    run: (input) => {
      last = Buffer.from(input);
      return position < count ? target.run(input) : undefined;
    },
  };
  let position = 0;
  await fuzz(recorder, { seed, count, onInput: (at) => (position = at) });
  return last;
}

function* inputsOf(target: FuzzTarget, seed: number): Generator<[input: Buffer, keep: () => void]> {
  const random = new Prng(`${target.name}/${seed}`);
  const pool: Buffer[] = target
    .corpus()
    .map((each) => (typeof each === 'string' ? Buffer.from(each) : Buffer.from(each)));
  const words = target.words ?? [];
  // Inputs of the corpus are in it already.
  for (const input of pool) yield [input.subarray(0, inputBytesMax), () => undefined];
  for (;;) {
    const changed = mutate[target.shape](random.pick(pool), { random, others: pool, words });
    const input = target.mend && random.chance(0.9) ? target.mend(changed) : changed;
    const isKept = pool.length < poolMax && input.length <= poolInputBytesMax;
    yield [input, () => void (isKept && pool.push(input))];
  }
}
