/** Compiles operands, pipelines and calls of a template to closures. */
import { RegexSyntaxError } from '@loki/regex';
import { CallError } from './errors.ts';
import type { FunctionTable, ParamType, TemplateFunction } from './function-types.ts';
import { show } from './nodes.ts';
import type { CommandNode, Operand, PipeNode } from './nodes.ts';
import { goTypes, idealConstant, logic, missing, refuseArguments, validated } from './operand-values.ts';
import type { Eval, EvalCommand } from './operand-values.ts';
import { State } from './state.ts';
import { findMethod } from './time-functions.ts';
import { GoInt, isLabelMap, isMap, typeName } from './values.ts';
import type { Value } from './values.ts';

export class OperandCompiler {
  readonly #functions: FunctionTable;

  constructor(functions: FunctionTable) {
    this.#functions = functions;
  }

  /** Compiles a pipeline; the variables that it declares stay in scope. */
  pipe(node: PipeNode): Eval {
    const commands = node.commands.map((command) => this.#command(command));
    const { declares, isAssign } = node;
    const [first] = commands;
    const run: Eval =
      commands.length === 1
        ? (state, dot) => first(state, dot, missing)
        : (state, dot) => {
            let value: Value | typeof missing = missing;
            for (const command of commands) value = command(state, dot, value);
            return value as Value;
          };
    return (state, dot) => {
      state.node = node;
      state.step();
      const value = run(state, dot);
      for (const variable of declares) {
        if (isAssign) state.assign(variable.path[0], value);
        else state.declare(variable.path[0], value);
      }
      return value;
    };
  }

  #command(node: CommandNode): EvalCommand {
    const [first] = node.args;
    switch (first.kind) {
      case 'field':
        return this.#fields(first, (_state, dot) => dot, first.path, node.args);
      case 'chain':
        return this.#chain(first, node.args);
      case 'identifier':
        return this.#call(first.name, this.#functions.get(first.name)!, node.args.slice(1), first, node);
      case 'variable':
        return this.#variable(first, node.args);
      case 'pipe': {
        const inner = this.pipe(first);
        return (state, dot, final) => {
          refuseArguments(state, node.args, final);
          return inner(state, dot);
        };
      }
      default: {
        const value = this.#constant(first);
        return (state, dot, final) => {
          state.node = first;
          refuseArguments(state, node.args, final);
          return value(state, dot);
        };
      }
    }
  }

  /** Compiles a literal or the dot. */
  #constant(node: Operand): Eval {
    switch (node.kind) {
      case 'dot':
        return (_state, dot) => dot;
      case 'bool':
        return () => node.value;
      case 'string':
        return () => node.text;
      case 'number':
        return (state) => {
          state.node = node;
          return idealConstant(state, node);
        };
      default:
        return (state) => state.fail('nil is not a command');
    }
  }

  #variable(node: Operand & { kind: 'variable' }, args: readonly Operand[]): EvalCommand {
    const [name, ...path] = node.path;
    if (path.length > 0) return this.#fields(node, (state) => state.variable(name), path, args);
    return (state, _dot, final) => {
      state.node = node;
      const value = state.variable(name);
      refuseArguments(state, args, final);
      return value;
    };
  }

  #chain(node: Operand & { kind: 'chain' }, args: readonly Operand[]): EvalCommand {
    if (node.base.kind === 'nil') {
      return (state) => {
        state.node = node;
        return state.fail(`indirection through explicit nil in ${show(node)}`);
      };
    }
    return this.#fields(node, this.#argument(node.base, 'any'), node.path, args);
  }

  /** Compiles .a.b.c of a receiver; the last name may be a method, which gets the arguments. */
  #fields(node: Operand, receiver: Eval, path: readonly string[], args: readonly Operand[]): EvalCommand {
    const methodArgs = args.slice(1);
    if (path.length === 1 && methodArgs.length === 0) {
      const [name] = path;
      return (state, dot, final) => {
        state.node = node;
        const value = receiver(state, dot);
        // The most common case: a label of the entry.
        if (value instanceof State && final === missing) return value.get(name) ?? '';
        const isElement = node.kind === 'field' && state.isDotElement;
        return this.#field(state, dot, value, name, node, [], final, isElement);
      };
    }
    return (state, dot, final) => {
      state.node = node;
      let value = receiver(state, dot);
      let isElement = node.kind === 'field' && state.isDotElement;
      for (let i = 0; i < path.length; i++) {
        const isLast = i === path.length - 1;
        const next: Value = this.#field(
          state,
          dot,
          value,
          path[i],
          node,
          isLast ? methodArgs : [],
          isLast ? final : missing,
          isElement,
        );
        isElement = value !== null && isMap(value);
        value = next;
      }
      return value;
    };
  }

  /** @param isElement the receiver is an element of a map of any values, which changes Go's error text */
  #field(
    state: State,
    dot: Value,
    receiver: Value,
    name: string,
    node: Operand,
    args: readonly Operand[],
    final: Value | typeof missing,
    isElement: boolean,
  ): Value {
    const type = isElement ? 'interface {}' : typeName(receiver);
    if (receiver === null) {
      if (isElement) state.fail(`nil pointer evaluating ${type}.${name}`);
      return null;
    }
    const method = findMethod(receiver, name);
    if (method) {
      const bound: TemplateFunction = {
        ...method,
        call: (values, context) => method.call([receiver, ...values], context),
      };
      return this.#call(name, bound, args, undefined, node)(state, dot, final);
    }
    if (isMap(receiver) || isLabelMap(receiver)) {
      if (args.length > 0 || final !== missing) state.fail(`${name} is not a method but has arguments`);
      return isMap(receiver) ? (receiver.get(name) ?? null) : (receiver.get(name) ?? '');
    }
    return state.fail(`can't evaluate field ${name} in type ${type}`);
  }

  #call(
    name: string,
    target: TemplateFunction,
    args: readonly Operand[],
    node: Operand | undefined,
    failureNode: Operand | CommandNode,
  ): EvalCommand {
    const { params, variadic } = target;
    const typeOf = (i: number): ParamType => (i < params.length ? params[i] : (variadic ?? 'any'));
    const evals = args.map((arg, i) => this.#argument(arg, typeOf(i)));
    if (node && (name === 'and' || name === 'or')) return logic(name, evals, node);
    const callee = name === 'call' && args.length > 0 ? show(args[0]) : '';
    return (state, dot, final) => {
      if (node) state.node = node;
      const count = args.length + (final === missing ? 0 : 1);
      if (variadic ? count < params.length : count !== params.length) {
        state.fail(
          variadic
            ? `wrong number of args for ${name}: want at least ${params.length} got ${args.length}`
            : `wrong number of args for ${name}: want ${params.length} got ${count}`,
        );
      }
      const values: Value[] = [];
      for (const evaluate of evals) values.push(evaluate(state, dot));
      if (final !== missing) values.push(validated(state, final, typeOf(values.length)));
      try {
        for (const read of values) {
          state.chargeValue(read);
        }
        const value = target.call(values, state);
        if (typeof value === 'string') {
          state.checkSize(value.length);
          state.charge(value.length);
        }
        return value;
      } catch (error) {
        if (!(error instanceof CallError || error instanceof RegexSyntaxError)) throw error;
        state.node = failureNode;
        return state.fail(
          `error calling ${name}: ${error.message.replace('non-function of', `non-function ${callee} of`)}`,
        );
      }
    };
  }

  /** Compiles an argument for a parameter of the given type. */
  #argument(node: Operand, type: ParamType): Eval {
    switch (node.kind) {
      case 'nil':
        return (state) => {
          state.node = node;
          return type === 'any' ? null : state.fail(`cannot assign nil to ${goTypes[type]}`);
        };
      case 'pipe': {
        const inner = this.pipe(node);
        return (state, dot) => {
          state.node = node;
          return validated(state, inner(state, dot), type);
        };
      }
      case 'dot':
      case 'field':
      case 'variable':
      case 'identifier':
      case 'chain': {
        const command = this.#command({ kind: 'command', at: node.at, args: [node] });
        return (state, dot) => {
          state.node = node;
          return validated(state, command(state, dot, missing), type);
        };
      }
      default:
        return this.#literal(node, type);
    }
  }

  /**
   * The literal as a value of the type; undefined when it has another type, or fails only when it is used.
   */
  #literalValue(node: Operand & { kind: 'bool' | 'number' | 'string' }, type: ParamType): Value | undefined {
    if (node.kind === 'string') return type === 'any' || type === 'string' ? node.text : undefined;
    if (node.kind === 'bool') return type === 'any' ? node.value : undefined;
    if (type === 'int') return node.int === undefined ? undefined : new GoInt(node.int);
    return type === 'float64' ? node.float : undefined;
  }

  #literal(node: Operand & { kind: 'bool' | 'number' | 'string' }, type: ParamType): Eval {
    const value = this.#literalValue(node, type);
    if (value !== undefined) {
      return (state) => {
        state.node = node;
        return value;
      };
    }
    if (type === 'any') return this.#constant(node);
    const literalNames = { string: 'string', int: 'integer', float64: 'float' } as const;
    return (state) => {
      state.node = node;
      if (type === 'time') return state.fail(`can't handle ${show(node)} for arg of type ${goTypes[type]}`);
      return state.fail(`expected ${literalNames[type]}; found ${show(node)}`);
    };
  }
}
