import v8 from 'node:v8';
import type { Shape } from './analyze.ts';
import type { Node } from './ast.ts';
import { Automaton } from './automaton.ts';
import { translate } from './translate.ts';
import type { Alphabet } from './translate.ts';

/*
 * V8 backtracks, which is fastest on ordinary patterns and may take for ever on others. With these flags it
 * counts its steps back and, after this many in one search, starts over with an engine that is linear, though
 * slow (100-350 ns a character). Process-wide, workers included. The first flag makes the `l` flag known,
 * which is how a pattern is asked whether that engine accepts it.
 */
v8.setFlagsFromString('--enable-experimental-regexp-engine');
v8.setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
v8.setFlagsFromString('--regexp-backtracks-before-fallback=2000');

/** Answers yes or no. */
export interface Tester {
  test(text: string): boolean;
}

/** V8's answer, for inputs of up to `unitsMax` units; longer ones may take too long there. */
export interface FastTester {
  readonly unitsMax: number;
  /** `input` is a string in the alphabet that the tester was made for. */
  test(input: string): boolean;
}

/** V8 for this pattern, or undefined when it would not be bounded, or has no way to say it. */
export function makeFastTester(root: Node, shape: Shape, alphabet: Alphabet): FastTester | undefined {
  const source = shape.isExplosive ? undefined : translate(root, alphabet, false);
  if (source === undefined) return undefined;
  const unitsMax = boundOf(shape, isLinearInV8(source));
  if (unitsMax < 64) return undefined;
  const regex = new RegExp(isSteady(shape) ? source + neverLinear : source);
  return { unitsMax, test: (input) => regex.test(input) };
}

/** V8 for inputs of ordinary size, the automaton for the others. */
export function makeTester(root: Node, shape: Shape): Tester {
  const fast = makeFastTester(root, shape, 'text');
  const slow = new Automaton(root);
  if (!fast) return slow;
  return { test: (text) => (text.length <= fast.unitsMax ? fast.test(text) : slow.test(text)) };
}

/**
 * Changes no match, and the linear engine refuses it: for patterns that backtracking runs in linear time
 * anyway, where a long input would pass the limit of steps back by its mere length.
 */
const neverLinear = '(?=)';

/** Steps that one search may take in V8 before its own fallback helps, about 5 ms. */
const stepsMax = 4_000_000;
/**
 * The same for patterns that take about as many steps whatever the text is, so that there is no fallback:
 * about 0.1 s.
 */
const steadyStepsMax = 1 << 26;
/** Steps of one search in V8's linear engine, which nothing can interrupt: 10 ns each. */
const linearStepsMax = 1 << 24;

/** Backtracking is linear, at so many steps a character. */
function isSteady(shape: Shape): boolean {
  return shape.degree <= 1 && shape.stepsPerUnit <= 1000;
}

/**
 * How long an input may be for V8: steps grow as a factor × n^degree, and where V8 can fall back, a few
 * hundred characters more do no harm, for then the steps back are limited too.
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

/** A match: its groups, the whole at 0, undefined for one that took no part; and where it starts. */
export interface Match extends ReadonlyArray<string | undefined> {
  readonly index: number;
}

/** Finds matches with their groups. */
export interface Finder {
  /** The leftmost match at or after `from`, or null. */
  find(text: string, from: number): Match | null;
}

export function makeFinder(root: Node, shape: Shape, groupCount: number): Finder {
  const chosen = chooseForGroups(root, shape, 'g');
  const slow = makeSlowFinder(root, groupCount);
  if (!chosen) return slow;
  return {
    find(text, from) {
      const regex = chosen(text.length);
      if (!regex) return slow.find(text, from);
      regex.lastIndex = from;
      return regex.exec(text);
    },
  };
}

/** The first match in a text. */
export function makeExec(root: Node, shape: Shape, groupCount: number): (text: string) => Match | null {
  const chosen = chooseForGroups(root, shape, '');
  const slow = makeSlowFinder(root, groupCount);
  const tester = new Automaton(root);
  return (text) => {
    const regex = chosen?.(text.length);
    if (regex) return regex.exec(text);
    // The automaton that knows no groups is many times faster, and most lines end there.
    return tester.test(text) ? slow.find(text, 0) : null;
  };
}

/**
 * The V8 pattern for an input of a given length: backtracking for ordinary ones, linear for long ones, none
 * where V8's groups or its cost would not do.
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
