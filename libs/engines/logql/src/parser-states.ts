/**
 * The states of the parser: generated from the grammar by `npm run codegen`, read by step *admit* of a query.
 */
import { storedStates } from './generated/parser-states.ts';
import type { ParserState, StoredState } from './grammar-spec.ts';

/** A query passes through some twenty of the 340 states: the others are never made. */
const states: ParserState[] = [];

/** Parsing starts in state 0. */
export function parserState(index: number): ParserState {
  return (states[index] ??= makeState(storedStates[index]));
}

function makeState({ shifts, reductions, defaultRule, accepts, gotos }: StoredState): ParserState {
  return {
    shifts: new Map(shifts),
    reductions: new Map(reductions),
    defaultRule,
    accepts,
    gotos: new Map(gotos),
  };
}
