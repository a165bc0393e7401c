/** Patterns that V8 cannot run in linear time, on re2js, with bounds. */
import { RE2JS } from 're2js';
import { checkInterrupt, isInterruptible, LokiError } from '@loki/model';
import type { Node } from './ast.ts';
import { re2Source } from './re2-source.ts';

/*
 * re2js, linear whatever the pattern. A character costs up to one step for each instruction of the pattern,
 * so a long pattern on a long text takes minutes; its loops read the text through an object of theirs, and
 * here that object asks now and then whether anybody still waits.
 */

/** Steps between two looks at whether anybody waits: 1 to 50 ms. */
const stepsPerCheck = 1 << 18;
/** Steps of a search that nothing can interrupt, on the thread that everybody shares: 0.1 to 0.2 s. */
const stepsUnattendedMax = 1 << 23;
/** The same for large patterns, of which a step costs ten times as much where it makes a new state. */
const largeStepsUnattendedMax = 1 << 20;
const largeSize = 256;
/** Characters that a pattern costs at its first use, when it is compiled. */
const unitsToCompile = 256;

/** The text as re2js reads it. */
interface MachineInput {
  step(position: number): number;
}
type MachineInputClass = new (text: never) => MachineInput;

/** The part of re2js that is not in its types. */
interface Machine {
  /**
   * Bounds of the leftmost match at or after `from` and of its groups, as many numbers as `slots`; -1: no
   * part.
   */
  executeEngine(input: MachineInput, from: number, anchor: number, slots: number): number[] | null;
  match(text: string): boolean;
  matchUTF8(bytes: Uint8Array): boolean;
}

const unanchored = 0;

/** The classes are not exported: a machine is asked for a match and shows what it reads from. */
function inputClass(ask: (machine: Machine) => void): MachineInputClass {
  const machine = machineOf('a');
  let seen: MachineInputClass | undefined;
  machine.executeEngine = (input) => {
    seen = input.constructor as MachineInputClass;
    return null;
  };
  ask(machine);
  return seen!;
}

function machineOf(source: string): Machine {
  return RE2JS.compile(source).re2() as unknown as Machine;
}

/** Over all searches of this thread: many short ones are one long one. */
let stepsLeft = stepsPerCheck;

function watched(Base: MachineInputClass): new (text: never, stepsPerUnit: number) => MachineInput {
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

const TextInput = watched(inputClass((machine) => machine.match('a')));
const BytesInput = watched(inputClass((machine) => machine.matchUTF8(new Uint8Array(1))));

/** A pattern for re2js, compiled at first use. */
export class Automaton {
  readonly #root: Node;
  #machine: Machine | undefined;

  constructor(root: Node) {
    this.#root = root;
  }

  /**
   * Built lazily to a table of states: 2-13 ns a character where states repeat. Reads text, or bytes as
   * UTF-8.
   */
  test(input: string | Uint8Array): boolean {
    return this.#run(input, 0, 0) !== null;
  }

  /**
   * Bounds of the leftmost match at or after `from`, and of `groupCount` groups; -1 for one that took no
   * part.
   */
  find(text: string, from: number, groupCount: number): number[] | null {
    return this.#run(text, from, 2 * (groupCount + 1));
  }

  /** @throws LokiError badRequest for a search that would take long and that nothing can interrupt */
  #run(input: string | Uint8Array, from: number, slots: number): number[] | null {
    const units = input.length - from;
    const { size } = this.#root;
    const stepsMax = size > largeSize ? largeStepsUnattendedMax : stepsUnattendedMax;
    if (size * (units + unitsToCompile) > stepsMax && !isInterruptible()) {
      const text = `regular expression of ${size} instructions is too expensive for a text of ${units} characters`;
      throw new LokiError('badRequest', text);
    }
    this.#machine ??= machineOf(re2Source(this.#root));
    const Input = typeof input === 'string' ? TextInput : BytesInput;
    return this.#machine.executeEngine(new Input(input as never, size), from, unanchored, slots);
  }
}
