import type { Regex } from '@loki/regex';
import type { Value } from './values.ts';

/** Types of parameters; `any` takes every value, nil too. */
export type ParamType = 'string' | 'int' | 'float64' | 'any' | 'time';

/** A function's view of the execution that it is called in. */
export interface CallContext {
  line(): string;
  readonly timestampNs: bigint;
  nowNs(): bigint;
  /** Compiled once for all executions; throws RegexSyntaxError. */
  regex(pattern: string): Regex;
  /** Refuses a result of so many characters before it is made. */
  checkSize(chars: number): void;
}

/** A function that templates may call. It throws CallError to refuse its arguments. */
export interface TemplateFunction {
  readonly params: readonly ParamType[];
  /** Type of further arguments, any number of them. */
  readonly variadic?: ParamType;
  call(args: readonly Value[], context: CallContext): Value;
}

/** Functions of a template by the name that the template calls. */
export type FunctionTable = ReadonlyMap<string, TemplateFunction>;

/**
 * Declares a function of templates. Arguments are checked against `params` before `call`, with Go's error
 * texts.
 *
 * @param variadic type of further arguments; absent: there are none
 */
export function fn(
  params: readonly ParamType[],
  call: TemplateFunction['call'],
  variadic?: ParamType,
): TemplateFunction {
  return { params, call, variadic };
}
