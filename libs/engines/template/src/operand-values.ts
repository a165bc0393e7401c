/** Values of compiled operands: types that a function takes, numbers without a type, `and` and `or`. */
import type { ParamType } from './function-types.ts';
import { show } from './nodes.ts';
import type { NumberNode, Operand } from './nodes.ts';
import type { State } from './state.ts';
import { GoInt, isTime, truth, typeName } from './values.ts';
import type { Value } from './values.ts';

/** Computes the value of a node in an execution. */
export type Eval = (state: State, dot: Value) => Value;

/** Computes the value of a command; `final` is the value of the previous command in the pipeline. */
export type EvalCommand = (state: State, dot: Value, final: Value | typeof missing) => Value;

/** There is no previous command in the pipeline. */
export const missing = Symbol('missing');

export const goTypes: Record<ParamType, string> = {
  string: 'string',
  int: 'int',
  float64: 'float64',
  any: 'interface {}',
  time: 'time.Time',
};

/** Compiles `and` and `or`, which stop at the deciding value. */
export function logic(name: 'and' | 'or', args: readonly Eval[], node: Operand): EvalCommand {
  return (state, dot, final) => {
    state.node = node;
    if (args.length === 0 && final === missing) {
      state.fail(`wrong number of args for ${name}: want at least 1 got 0`);
    }
    let value: Value = null;
    for (const arg of args) {
      value = arg(state, dot);
      if (truth(value) === (name === 'or')) return value;
    }
    return final === missing ? value : final;
  };
}

export function refuseArguments(state: State, args: readonly Operand[], final: Value | typeof missing): void {
  if (args.length > 1 || final !== missing) {
    state.fail(`can't give argument to non-function ${show(args[0])}`);
  }
}

export function validated(state: State, value: Value, type: ParamType): Value {
  if (type === 'any') return value;
  if (value === null) return state.fail(`invalid value; expected ${goTypes[type]}`);
  const fits = type === 'time' ? isTime(value) : typeName(value) === type;
  return fits ? value : state.fail(`wrong type for value; expected ${goTypes[type]}; got ${typeName(value)}`);
}

/** A number without an expected type: its spelling decides the type. */
export function idealConstant(state: State, node: NumberNode): Value {
  const isHex = /^0[xX]/.test(node.text) && !/[pP]/.test(node.text);
  if (node.float !== undefined && !isHex && !node.text.startsWith("'") && /[.eEpP]/.test(node.text)) {
    return node.float;
  }
  return node.int === undefined ? state.fail(`${node.text} overflows int`) : new GoInt(node.int);
}
