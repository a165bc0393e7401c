import v8 from 'node:v8';
import { RE2JS } from 're2js';
import type { Shape } from './analyze.ts';
import type { Node } from './ast.ts';
import { re2Source } from './re2-source.ts';
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
  const regex = new RegExp(unitsMax === Infinity ? source + neverLinear : source);
  return { unitsMax, test: (input) => regex.test(input) };
}

/**
 * An automaton built lazily: slower than V8 on most inputs (2-13 ns a character), never slower than that.
 * Reads text, or bytes as UTF-8.
 */
export function makeSlowTester(root: Node): { test(input: string | Uint8Array): boolean } {
  let compiled: RE2JS | undefined;
  return {
    test(input) {
      compiled ??= RE2JS.compile(re2Source(root));
      return compiled.test(input as string);
    },
  };
}

/** V8 for inputs of ordinary size, the automaton for the others. */
export function makeTester(root: Node, shape: Shape): Tester {
  const fast = makeFastTester(root, shape, 'text');
  const slow = makeSlowTester(root);
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
 * How long an input may be for V8: steps grow as factor × n^degree, and where V8 can fall back, a few hundred
 * characters more do no harm, for then the steps back are limited too.
 */
function boundOf(shape: Shape, isLinear: boolean): number {
  if (shape.degree <= 1) return shape.factor <= 1000 ? Infinity : stepsMax / shape.factor;
  const bound = Math.floor((stepsMax / shape.factor) ** (1 / shape.degree));
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
  const tester = makeSlowTester(root);
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
  const fast = new RegExp(unitsMax === Infinity ? source + neverLinear : source, flags);
  const linear = isLinear ? new RegExp(source, linearFlag + flags) : undefined;
  return (units) => (units <= unitsMax ? fast : linear);
}

function makeSlowFinder(root: Node, groupCount: number): Finder {
  let compiled: RE2JS | undefined;
  return {
    find(text, from) {
      compiled ??= RE2JS.compile(re2Source(root));
      const matcher = compiled.matcher(text);
      if (!matcher.find(from)) return null;
      const groups: (string | undefined)[] = [];
      for (let i = 0; i <= groupCount; i++) groups.push(matcher.group(i) ?? undefined);
      return Object.assign(groups, { index: matcher.start() });
    },
  };
}
