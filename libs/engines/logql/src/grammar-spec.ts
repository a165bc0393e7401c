/** Types of a grammar, and of the parser's states that `npm run codegen` makes of it. */

/** A rule of a grammar: its head becomes its body. */
export interface RuleSpec {
  readonly head: string;
  readonly body: readonly string[];
}

/** A grammar as the generator of states reads it. */
export interface GrammarSpec {
  /** In the order in which expectations are listed. The first is the end of input. */
  readonly terminals: readonly string[];
  /** The first rule's head is the start symbol. */
  readonly rules: readonly RuleSpec[];
  readonly levels: readonly { readonly associativity: string; readonly operators: readonly string[] }[];
}

/** A state of the LALR(1) parser, as `codegen` computes it: its transitions and reductions. */
export interface ParserState {
  /** Terminal to state. */
  readonly shifts: ReadonlyMap<string, number>;
  /** Reductions other than the default one: terminal to rule. */
  readonly reductions: ReadonlyMap<string, number>;
  /** The rule reduced on any other terminal; -1: none, a syntax error. */
  readonly defaultRule: number;
  /** True: the end of input is accepted in this state. */
  readonly accepts: boolean;
  /** Head of a reduced rule to state. */
  readonly gotos: ReadonlyMap<string, number>;
}

type Pairs = readonly (readonly [symbol: string, index: number])[];

/** A state in the generated file. */
export interface StoredState {
  readonly shifts: Pairs;
  readonly reductions: Pairs;
  readonly defaultRule: number;
  readonly accepts: boolean;
  readonly gotos: Pairs;
}
