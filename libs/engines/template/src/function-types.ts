/** The types of template functions, and the checks of their arguments. */
import type { Regex } from '@loki/regex';
import type { Value } from './values.ts';

/** Types of parameters; `any` takes every value, nil too. */
export type ParamType = 'string' | 'int' | 'float64' | 'any' | 'time';

/** The context of a call: services of the current execution. */
export interface CallContext {
  line(): string;
  readonly timestampNs: bigint;
  nowNs(): bigint;
  /** A regular expression, compiled once for all executions; throws RegexSyntaxError. */
  regex(pattern: string): Regex;
  /**
   * Throws when a result of this many characters would exceed the bound; called before the result is built.
   */
  checkSize(chars: number): void;
}

/** A function that templates may call. It throws CallError to refuse its arguments. */
export interface TemplateFunction {
  readonly params: readonly ParamType[];
  /** Type of further arguments; any number of them is allowed. */
  readonly variadic?: ParamType;
  call(args: readonly Value[], context: CallContext): Value;
}

/** Functions by their name in templates. */
export type FunctionTable = ReadonlyMap<string, TemplateFunction>;

/**
 * Declares a function of templates. Arguments are checked against `params` before `call`, with Go's error
 * texts.
 *
 * @param variadic type of further arguments; absent: no further arguments
 */
export function fn(
  params: readonly ParamType[],
  call: TemplateFunction['call'],
  variadic?: ParamType,
): TemplateFunction {
  return { params, call, variadic };
}
