/** Chooses an engine for a pattern and an input: V8's backtracking or linear engine, or re2js. */
import v8 from 'node:v8';
import type { Shape } from './analyze.ts';
import type { Node } from './ast.ts';
import { Automaton, checkUnattended } from './automaton.ts';
import type { Alphabet } from './byte-sequences.ts';
import { translate } from './translate.ts';

/*
 * V8 backtracks, which is fastest on ordinary patterns and may take exponential time on others. With these
 * flags it counts backtracks and, after this many in one search, restarts with a linear but slow engine
 * (100-350 ns a character). The flags hold for the whole process with its workers. The first flag enables the
 * regular expression flag `l`, which shows whether the linear engine accepts a pattern.
 */
v8.setFlagsFromString('--enable-experimental-regexp-engine');
v8.setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
v8.setFlagsFromString('--regexp-backtracks-before-fallback=2000');

/** Tests whether an input matches. */
export interface Tester {
  test(text: string): boolean;
}

/** Tests with V8. Inputs of more than `unitsMax` units may take too long. */
export interface FastTester {
  readonly unitsMax: number;
  /** `input` is a string in the alphabet that the tester was made for. */
  test(input: string): boolean;
}

/**
 * A V8 tester for this pattern; undefined when its time would not be bounded or the pattern cannot be
 * translated.
 */
export function makeFastTester(root: Node, shape: Shape, alphabet: Alphabet): FastTester | undefined {
  const source = shape.isExplosive ? undefined : translate(root, alphabet, false);
  if (source === undefined) return undefined;
  const unitsMax = boundOf(shape, isLinearInV8(source));
  if (unitsMax < 64) return undefined;
  const regex = new RegExp(isSteady(shape) ? source + neverLinear : source);
  return { unitsMax, test: (input) => regex.test(input) };
}

/** A tester that uses V8 for inputs of ordinary size and the automaton for others. */
export function makeTester(root: Node, shape: Shape): Tester {
  const fast = makeFastTester(root, shape, 'text');
  const slow = new Automaton(root);
  if (!fast) return slow;
  // Of a search that excessive backtracks make linear, a character costs a step for each instruction.
  const stepsPerUnit = isSteady(shape) ? 0 : root.size;
  return {
    test(text) {
      if (text.length > fast.unitsMax) return slow.test(text);
      checkUnattended(root.size, text.length, stepsPerUnit * text.length);
      return fast.test(text);
    },
  };
}

/**
 * A lookahead that changes no match but makes the linear engine refuse the pattern. It is for patterns that
 * backtracking runs in linear time: on a long input they would exceed the limit of backtracks and switch to
 * the slow engine.
 */
const neverLinear = '(?=)';

/** Most steps of one search in V8 before its own fallback applies, about 5 ms. */
const stepsMax = 4_000_000;
/**
 * The same bound for patterns whose number of steps hardly depends on the text, so that no fallback applies:
 * about 0.1 s.
 */
const steadyStepsMax = 1 << 26;
/** Most steps of one search in V8's linear engine, which nothing can interrupt: 10 ns each. */
const linearStepsMax = 1 << 24;

/** Whether backtracking is linear with a bounded number of steps per character. */
function isSteady(shape: Shape): boolean {
  return shape.degree <= 1 && shape.stepsPerUnit <= 1000;
}

/**
 * Longest input for V8. Steps grow as a factor × n^degree. Where V8 can fall back, a few hundred extra
 * characters do no harm, because its backtracks are limited.
 */
function boundOf(shape: Shape, isLinear: boolean): number {
  if (shape.degree <= 1) {
    return Math.floor((isSteady(shape) ? steadyStepsMax : stepsMax) / shape.stepsPerUnit);
  }
  const bound = Math.floor((stepsMax / shape.stepsPerUnit) ** (1 / shape.degree));
  return isLinear ? Math.max(600, bound) : bound;
}

const linearFlag = 'l';

function isLinearInV8(source: string, flags = ''): boolean {
  try {
    RegExp(source, linearFlag + flags);
    return true;
  } catch {
    return false; // "Cannot be executed in linear time"
  }
}

/** A match: its groups (0 is the whole match, undefined for a group that took no part) and its start. */
export interface Match extends ReadonlyArray<string | undefined> {
  readonly index: number;
}

/** Finds matches with their groups. */
export interface Finder {
  /** The leftmost match at or after `from`, or null. */
  find(text: string, from: number): Match | null;
}

export function makeFinder(root: Node, shape: Shape, groupCount: number): Finder {
  const choice = chooseForGroups(root, shape, 'g');
  const slow = makeSlowFinder(root, groupCount);
  if (!choice) return slow;
  return {
    find(text, from) {
      const regex = choice(text.length);
      if (!regex) return slow.find(text, from);
      regex.lastIndex = from;
      return regex.exec(text);
    },
  };
}

/** The first match in a text. */
export function makeExec(root: Node, shape: Shape, groupCount: number): (text: string) => Match | null {
  const choice = chooseForGroups(root, shape, '');
  const slow = makeSlowFinder(root, groupCount);
  const tester = new Automaton(root);
  return (text) => {
    const regex = choice?.(text.length);
    if (regex) return regex.exec(text);
    // Testing without groups is many times faster, and most lines do not match.
    return tester.test(text) ? slow.find(text, 0) : null;
  };
}

/**
 * The V8 pattern for an input of a given length: backtracking for ordinary inputs, linear for long ones, none
 * where V8's groups differ or its cost is too high.
 */
function chooseForGroups(
  root: Node,
  shape: Shape,
  flags: string,
): ((units: number) => RegExp | undefined) | undefined {
  const source = shape.groupsDiffer ? undefined : translate(root, 'text', true);
  if (source === undefined) return undefined;
  const isLinear = isLinearInV8(source, flags);
  const unitsMax = shape.isExplosive ? 0 : boundOf(shape, isLinear);
  if (!isLinear && unitsMax < 64) return undefined;
  const fast = new RegExp(isSteady(shape) ? source + neverLinear : source, flags);
  const linear = isLinear ? new RegExp(source, linearFlag + flags) : undefined;
  const linearUnitsMax = linearStepsMax / root.size;
  return (units) => (units <= unitsMax ? fast : units <= linearUnitsMax ? linear : undefined);
}

function makeSlowFinder(root: Node, groupCount: number): Finder {
  const automaton = new Automaton(root);
  return {
    find(text, from) {
      const bounds = automaton.find(text, from, groupCount);
      if (!bounds) return null;
      const groups: (string | undefined)[] = [];
      for (let i = 0; i <= groupCount; i++) {
        groups.push(bounds[2 * i] < 0 ? undefined : text.slice(bounds[2 * i], bounds[2 * i + 1]));
      }
      return Object.assign(groups, { index: bounds[0] });
    },
  };
}
