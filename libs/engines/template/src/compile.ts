/** Compiles a parsed template to closures: step *plan* of a query. */
import { quoteGo } from '@loki/go';
import { toText } from './format-value.ts';
import type { FunctionTable } from './function-types.ts';
import type { ActionNode, BranchNode, Node, TemplateNode } from './nodes.ts';
import { OperandCompiler } from './operand-compiler.ts';
import type { ParsedTemplate } from './parser.ts';
import { templateDepthMax } from './state.ts';
import type { State } from './state.ts';
import { GoInt, int, isLabelMap, isList, isMap, sortedEntries, truth } from './values.ts';
import type { Value } from './values.ts';

/** Runs a node; the result tells an enclosing range loop to stop or to continue. */
type Walk = (state: State, dot: Value) => Jump;
type Jump = undefined | 'break' | 'continue';

/**
 * Compiles a parsed template to closures; everything that does not depend on an entry is decided here, once.
 */
export function compileTree(
  parsed: ParsedTemplate,
  functions: FunctionTable,
): (state: State, dot: Value) => void {
  return new TreeCompiler(parsed, functions).root();
}

class TreeCompiler {
  readonly #parsed: ParsedTemplate;
  readonly #operands: OperandCompiler;
  readonly #templates = new Map<string, Walk>();

  constructor(parsed: ParsedTemplate, functions: FunctionTable) {
    this.#parsed = parsed;
    this.#operands = new OperandCompiler(functions);
  }

  root(): (state: State, dot: Value) => void {
    return this.#list(this.#parsed.root);
  }

  #list(nodes: readonly Node[]): Walk {
    const walks = nodes.map((node) => this.#node(node));
    if (walks.length === 1) return walks[0];
    return (state, dot) => {
      for (const walk of walks) {
        const jump = walk(state, dot);
        if (jump) return jump;
      }
      return undefined;
    };
  }

  #node(node: Node): Walk {
    switch (node.kind) {
      case 'text':
        return (state) => {
          state.node = node;
          state.write(node.text);
          return undefined;
        };
      case 'break':
      case 'continue': {
        const { kind } = node;
        return () => kind;
      }
      case 'action':
        return this.#action(node);
      case 'template':
        return this.#template(node);
      case 'range':
        return this.#range(node);
      default:
        return this.#branch(node);
    }
  }

  #action(node: ActionNode): Walk {
    const pipe = this.#operands.pipe(node.pipe);
    if (node.pipe.declares.length > 0) {
      return (state, dot) => {
        pipe(state, dot);
        return undefined;
      };
    }
    return (state, dot) => {
      const value = pipe(state, dot);
      state.node = node;
      if (typeof value === 'string') state.write(value);
      else state.write(value === null ? '<no value>' : toText(value));
      return undefined;
    };
  }

  /** Compiles `if` and `with`. */
  #branch(node: BranchNode): Walk {
    const pipe = this.#operands.pipe(node.pipe);
    const list = this.#list(node.list);
    const elseList = node.elseList && this.#list(node.elseList);
    const setsDot = node.kind === 'with';
    return (state, dot) => {
      const scope = state.names.length;
      const value = pipe(state, dot);
      let jump: Jump;
      if (!truth(value)) jump = elseList?.(state, dot);
      else if (!setsDot) jump = list(state, dot);
      else {
        const { isDotElement } = state;
        state.isDotElement = false;
        jump = list(state, value);
        state.isDotElement = isDotElement;
      }
      state.popTo(scope);
      return jump;
    };
  }

  #range(node: BranchNode): Walk {
    const pipe = this.#operands.pipe(node.pipe);
    const list = this.#list(node.list);
    const elseList = node.elseList && this.#list(node.elseList);
    const { declares, isAssign } = node.pipe;
    return (state, dot) => {
      state.node = node;
      const scope = state.names.length;
      const value = pipe(state, dot);
      const mark = state.names.length;
      const { isDotElement } = state;
      let count = 0;
      state.isDotElement = isList(value) || (value !== null && isMap(value));
      for (const [index, element] of iterate(state, value, declares.length)) {
        count++;
        state.step();
        // One variable gets the element; of two, the first gets the index.
        const loopValues: Value[] = declares.length > 1 ? [index, element] : [element];
        for (let i = 0; i < declares.length; i++) {
          if (isAssign) state.assign(declares[i].path[0], loopValues[i]);
          else state.values[mark - declares.length + i] = loopValues[i];
        }
        const jump = list(state, element);
        state.popTo(mark);
        if (jump === 'break') break;
      }
      state.popTo(scope);
      state.isDotElement = isDotElement;
      // A break or continue in an {{else}} belongs to the outer loop.
      return count === 0 ? elseList?.(state, dot) : undefined;
    };
  }

  #template(node: TemplateNode): Walk {
    const pipe = node.pipe && this.#operands.pipe(node.pipe);
    return (state, dot) => {
      state.node = node;
      const list = this.#parsed.definitions.get(node.name);
      if (!list) return state.fail(`template ${quoteGo(node.name)} not defined`);
      if (state.depth >= templateDepthMax) {
        state.fail(`exceeded maximum template depth (${templateDepthMax})`);
      }
      // Compiled at first use: a template may call itself.
      let walk = this.#templates.get(node.name);
      if (!walk) this.#templates.set(node.name, (walk = this.#list(list)));
      const inner = pipe ? pipe(state, dot) : null;
      const { names, values, template, isDotElement } = state;
      state.isDotElement = false;
      state.names = ['$'];
      state.values = [inner];
      state.template = node.name;
      state.depth++;
      walk(state, inner);
      state.depth--;
      Object.assign(state, { names, values, template, isDotElement });
      return undefined;
    };
  }
}

/** Index and element of each item of a value that `range` accepts. */
function* iterate(state: State, value: Value, variables: number): Iterable<[Value, Value]> {
  if (value === null) return;
  if (isList(value)) {
    for (let i = 0; i < value.length; i++) yield [int(i), value[i]];
  } else if (isMap(value) || isLabelMap(value)) {
    state.chargeValue(value);
    yield* sortedEntries(value);
  } else if (value instanceof GoInt) {
    if (variables > 1) state.fail(`can't use ${toText(value)} to iterate over more than one variable`);
    for (let i = 0n; i < value.value; i++) yield [null, new GoInt(i, value.type)];
  } else state.fail(`range can't iterate over ${toText(value)}`);
}
