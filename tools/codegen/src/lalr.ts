/**
 * Builds LALR(1) tables from a grammar with yacc's decisions. Loki's error texts list the tokens that its
 * yacc parser expects in the state of the error, so our tables must reach the same states. Conflicts are
 * decided by precedence, then for the shift, then for the earlier rule. Each state reduces its most frequent
 * rule by default, without looking at the next token.
 */
import type { GrammarSpec, ParserState, RuleSpec } from '@loki/logql';

/** An item is rule * itemBase + position of the dot. */
const itemBase = 32;

/** Terminals as bits, by their place in the grammar's list. */
type Bits = Uint32Array;
/** Items with their lookaheads: the terminals that may follow them. */
type Kernel = Map<number, Bits>;

interface RawState {
  readonly kernel: Kernel;
  readonly edges: Map<string, number>;
}

class Builder {
  readonly states: RawState[] = [];
  readonly #rules: readonly RuleSpec[];
  readonly #words: number;
  readonly #byHead = new Map<string, number[]>();
  readonly #first = new Map<string, Bits>();
  readonly #nullable = new Set<string>();

  constructor(grammar: GrammarSpec) {
    const start = grammar.rules[0].head;
    this.#rules = [...grammar.rules, { head: '$accept', body: [start] }];
    this.#words = Math.ceil(grammar.terminals.length / 32);
    grammar.terminals.forEach((terminal, index) => {
      const bits = this.#noBits();
      bits[index >> 5] |= 1 << (index & 31);
      this.#first.set(terminal, bits);
    });
    this.#rules.forEach((rule, index) => {
      const rules = this.#byHead.get(rule.head);
      if (rules) rules.push(index);
      else this.#byHead.set(rule.head, [index]);
      if (!this.#first.has(rule.head)) this.#first.set(rule.head, this.#noBits());
    });
    this.#findFirst();
    this.#findStates();
  }

  #noBits(): Bits {
    return new Uint32Array(this.#words);
  }

  #findFirst(): void {
    for (let changed = true; changed;) {
      changed = false;
      for (const { head, body } of this.#rules) {
        const starts = this.#noBits();
        if (this.#addFirst(body, 0, starts) && !this.#nullable.has(head)) {
          this.#nullable.add(head);
          changed = true;
        }
        if (addBits(this.#first.get(head)!, starts)) changed = true;
      }
    }
  }

  /** Adds the terminals with which body[from..] can start to `into`. True when all of it can be empty. */
  #addFirst(body: readonly string[], from: number, into: Bits): boolean {
    for (let i = from; i < body.length; i++) {
      const first = this.#first.get(body[i]);
      if (!first) throw new Error(`grammar names an unknown symbol ${body[i]}`);
      addBits(into, first);
      if (!this.#nullable.has(body[i])) return false;
    }
    return true;
  }

  /** The closure of kernel items. */
  closure(kernel: Kernel): Kernel {
    const items: Kernel = new Map();
    for (const [item, lookahead] of kernel) items.set(item, lookahead.slice());
    const work = [...items.keys()];
    for (let item = work.pop(); item !== undefined; item = work.pop()) {
      const { body } = this.#rules[Math.floor(item / itemBase)];
      const dot = item % itemBase;
      const rules = dot < body.length ? this.#byHead.get(body[dot]) : undefined;
      if (!rules) continue;
      const lookahead = this.#noBits();
      if (this.#addFirst(body, dot + 1, lookahead)) addBits(lookahead, items.get(item)!);
      for (const rule of rules) {
        if (mergeAhead(items, rule * itemBase, lookahead)) work.push(rule * itemBase);
      }
    }
    return items;
  }

  #findStates(): void {
    const byCore = new Map<string, number>();
    const end = this.#noBits();
    end[0] = 1;
    this.states.push({ kernel: new Map([[(this.#rules.length - 1) * itemBase, end]]), edges: new Map() });
    // First in, first out: a state is then mostly complete before its successors are computed.
    const work = new Set([0]);
    for (const index of work) {
      work.delete(index);
      const targets = new Map<string, Kernel>();
      for (const [item, lookahead] of this.closure(this.states[index].kernel)) {
        const symbol = this.#rules[Math.floor(item / itemBase)].body[item % itemBase];
        if (symbol === undefined) continue;
        let kernel = targets.get(symbol);
        if (!kernel) targets.set(symbol, (kernel = new Map()));
        kernel.set(item + 1, lookahead);
      }
      for (const [symbol, kernel] of targets) {
        const core = [...kernel.keys()].sort((a, b) => a - b).join(' ');
        let target = byCore.get(core);
        let changed = false;
        if (target === undefined) {
          target = this.states.push({ kernel, edges: new Map() }) - 1;
          byCore.set(core, target);
          changed = true;
        } else {
          const targetKernel = this.states[target].kernel;
          for (const [item, lookahead] of kernel) {
            if (mergeAhead(targetKernel, item, lookahead)) changed = true;
          }
        }
        this.states[index].edges.set(symbol, target);
        if (changed) work.add(target);
      }
    }
  }

  /** Complete items of a state: rule to the terminals on which it may be reduced. */
  completeRules(state: RawState): Map<number, Bits> {
    const complete = new Map<number, Bits>();
    for (const [item, lookahead] of this.closure(state.kernel)) {
      const rule = Math.floor(item / itemBase);
      if (item % itemBase === this.#rules[rule].body.length) complete.set(rule, lookahead);
    }
    return complete;
  }
}

/** Adds `addend` to `bits`; true when `bits` changed. */
function addBits(bits: Bits, addend: Bits): boolean {
  let changed = 0;
  for (let i = 0; i < bits.length; i++) {
    changed |= addend[i] & ~bits[i];
    bits[i] |= addend[i];
  }
  return changed !== 0;
}

function mergeAhead(items: Kernel, item: number, lookahead: Bits): boolean {
  const lookaheads = items.get(item);
  if (lookaheads) return addBits(lookaheads, lookahead);
  items.set(item, lookahead.slice());
  return true;
}

/** Builds all states; the first is the start state. Costs tens of milliseconds for a grammar of 200 rules. */
export function buildTables(grammar: GrammarSpec): readonly ParserState[] {
  const builder = new Builder(grammar);
  const terminals = new Set(grammar.terminals);
  const precedence = new Map<string, { level: number; associativity: string }>();
  grammar.levels.forEach(({ associativity, operators }, level) => {
    for (const operator of operators) precedence.set(operator, { level, associativity });
  });
  const rulePrecedence = grammar.rules.map(({ body }) => {
    const last = body.findLast((symbol) => terminals.has(symbol));
    return last === undefined ? undefined : precedence.get(last);
  });
  return builder.states.map((raw) => {
    const shifts = new Map<string, number>();
    const gotos = new Map<string, number>();
    for (const [symbol, target] of raw.edges) (terminals.has(symbol) ? shifts : gotos).set(symbol, target);
    const reductions = new Map<string, number>();
    let accepts = false;
    const complete = [...builder.completeRules(raw)].sort((a, b) => a[0] - b[0]);
    for (const [rule, lookahead] of complete) {
      if (rule === grammar.rules.length) {
        accepts = true;
        continue;
      }
      for (const [index, terminal] of grammar.terminals.entries()) {
        if ((lookahead[index >> 5] & (1 << (index & 31))) === 0) continue;
        if (shifts.has(terminal)) {
          const rulePower = rulePrecedence[rule];
          const terminalPower = precedence.get(terminal);
          const reduces =
            rulePower && terminalPower &&
            (rulePower.level > terminalPower.level || (rulePower.level === terminalPower.level && terminalPower.associativity === 'left')); // prettier-ignore
          if (!reduces) continue;
          shifts.delete(terminal);
        }
        if (!reductions.has(terminal)) reductions.set(terminal, rule);
      }
    }
    return { shifts, gotos, accepts, ...splitDefault(reductions) };
  });
}

/** Removes the most frequent rule (of equals the first) from the reductions; it becomes the default. */
function splitDefault(all: ReadonlyMap<string, number>): Pick<ParserState, 'reductions' | 'defaultRule'> {
  const counts = new Map<number, number>();
  for (const rule of all.values()) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  let defaultRule = -1;
  for (const [rule, count] of counts) if (count > (counts.get(defaultRule) ?? 0)) defaultRule = rule;
  return { defaultRule, reductions: new Map([...all].filter(([, rule]) => rule !== defaultRule)) };
}
