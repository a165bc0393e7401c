/** The table of functions for `line_format` and `label_format`. */
import { builtins } from './builtins.ts';
import { fn } from './function-types.ts';
import type { FunctionTable } from './function-types.ts';
import { fromJson } from './json.ts';
import { mathFunctions } from './math-functions.ts';
import { textFunctions } from './text-functions.ts';
import { timeFunctions } from './time-functions.ts';
import { parseBytes } from './units.ts';

/** All functions of a template: Go's own, Loki's, and those that Loki took from sprig. */
export const functions: FunctionTable = new Map([
  ...builtins,
  ...textFunctions,
  ...mathFunctions,
  ...timeFunctions,
  ['__line__', fn([], (_args, context) => context.line())],
  ['bytes', fn(['string'], ([text]) => parseBytes(text as string))],
  ['fromJson', fn(['string'], ([text]) => fromJson(text as string))],
]);
