/** Runs patterns that V8 cannot run in linear time on re2js, with bounds. */
import { RE2JS } from 're2js';
import { checkInterrupt, isInterruptible, LokiError } from '@loki/model';
import type { Node } from './ast.ts';
import { re2Source } from './re2-source.ts';

/*
 * re2js runs every pattern in linear time, but a character costs up to one step for each instruction of the
 * pattern: a long pattern on a long text takes minutes. Its loops read the text through an input object. The
 * input object of this file checks from time to time whether the caller still waits.
 */

/** Steps between two checks for interruption: 1 to 50 ms. */
const stepsPerCheck = 1 << 18;
/** Most steps of a search that nothing can interrupt, on the shared main thread: 20 to 60 ms. */
const stepsUnattendedMax = 1 << 22;
/** The same bound for large patterns, where a step that creates a state costs ten times as much. */
const largeStepsUnattendedMax = 1 << 19;
const largeSize = 256;
/** Cost of compiling a pattern at its first use, in characters. */
const unitsToCompile = 256;

/** The input object of re2js. */
interface MachineInput {
  step(position: number): number;
}
type MachineInputClass = new (text: never) => MachineInput;

/** The part of re2js that its types do not declare. */
interface Machine {
  /**
   * Bounds of the leftmost match at or after `from` and of its groups, `slots` numbers in all; -1: the group
   * took no part.
   */
  executeEngine(input: MachineInput, from: number, anchor: number, slots: number): number[] | null;
  match(text: string): boolean;
  matchUTF8(bytes: Uint8Array): boolean;
}

const unanchored = 0;

/**
 * re2js does not export its input classes. Runs a machine for a match, and returns the class of its input.
 */
function inputClass(ask: (machine: Machine) => void): MachineInputClass {
  const machine = machineOf('a');
  let inputType: MachineInputClass | undefined;
  machine.executeEngine = (input) => {
    inputType = input.constructor as MachineInputClass;
    return null;
  };
  ask(machine);
  return inputType!;
}

function machineOf(source: string): Machine {
  return RE2JS.compile(source).re2() as unknown as Machine;
}

/**
 * Steps until the next check, counted over all searches of this thread, because many short searches take as
 * long as one long search.
 */
let stepsLeft = stepsPerCheck;

function interruptibleInput(
  Base: MachineInputClass,
): new (text: never, stepsPerUnit: number) => MachineInput {
  return class extends Base {
    readonly #stepsPerUnit: number;

    constructor(text: never, stepsPerUnit: number) {
      super(text);
      this.#stepsPerUnit = stepsPerUnit;
    }

    override step(position: number): number {
      stepsLeft -= this.#stepsPerUnit;
      if (stepsLeft <= 0) {
        stepsLeft = stepsPerCheck;
        checkInterrupt();
      }
      return super.step(position);
    }
  };
}

const TextInput = interruptibleInput(inputClass((machine) => machine.match('a')));
const BytesInput = interruptibleInput(inputClass((machine) => machine.matchUTF8(new Uint8Array(1))));

/**
 * Refuses a long search that nothing can interrupt.
 *
 * @param size instructions of the pattern
 * @param units of the text
 * @throws LokiError badRequest
 */
export function checkUnattended(size: number, units: number, steps: number): void {
  if (steps <= stepsUnattendedMax || isInterruptible()) return;
  const text = `regular expression of ${size} instructions is too expensive for a text of ${units} characters`;
  throw new LokiError('badRequest', text);
}

/** A pattern for re2js, compiled at first use. */
export class Automaton {
  readonly #root: Node;
  #machine: Machine | undefined;

  constructor(root: Node) {
    this.#root = root;
  }

  /**
   * Whether the input matches. re2js builds its table of states lazily: 2-13 ns a character where states
   * repeat. Reads text, or bytes as UTF-8.
   */
  test(input: string | Uint8Array): boolean {
    return this.#run(input, 0, 0) !== null;
  }

  /**
   * Bounds of the leftmost match at or after `from`, and of `groupCount` groups; -1 for a group that took no
   * part.
   */
  find(text: string, from: number, groupCount: number): number[] | null {
    return this.#run(text, from, 2 * (groupCount + 1));
  }

  #run(input: string | Uint8Array, from: number, slots: number): number[] | null {
    const units = input.length - from;
    const { size } = this.#root;
    const weight = size > largeSize ? stepsUnattendedMax / largeStepsUnattendedMax : 1;
    checkUnattended(size, units, size * (units + unitsToCompile) * weight);
    this.#machine ??= machineOf(re2Source(this.#root));
    const Input = typeof input === 'string' ? TextInput : BytesInput;
    return this.#machine.executeEngine(new Input(input as never, size), from, unanchored, slots);
  }
}
