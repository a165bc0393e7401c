/** Templates over any data: texts of alerts. */
import { builtins } from './builtins.ts';
import { compileTree } from './compile.ts';
import type { FunctionTable } from './function-types.ts';
import { parseTemplate } from './parser.ts';
import { RegexCache, Source, State } from './state.ts';
import type { TemplateContext } from './state.ts';
import type { Value } from './values.ts';

/** A compiled template over any data of the caller, instead of a log entry. */
export interface DataTemplate {
  /**
   * The output of the template when the dot is `data`. The bounds are those of every template.
   *
   * @throws TemplateExecError in Go's words
   */
  execute(data: Value, nowNs: () => bigint): string;
}

/**
 * Compiles Go's text/template with Go's functions and the given ones, without Loki's.
 *
 * @param options.name the template's name in errors
 * @param options.functions by name; they win over Go's
 * @throws TemplateSyntaxError in Go's words
 */
export function compileDataTemplate(
  text: string,
  options: { readonly name: string; readonly functions: FunctionTable },
): DataTemplate {
  const functions: FunctionTable = new Map([...builtins, ...options.functions]);
  const parsed = parseTemplate(text, options.name, (name) => functions.has(name));
  const run = compileTree(parsed, functions);
  const source = new Source(options.name, text);
  const regexes = new RegexCache();
  return {
    execute(data, nowNs) {
      const state = new State(noEntry(nowNs), source, regexes);
      state.values[0] = data;
      run(state, data);
      return state.out;
    },
  };
}

function noEntry(nowNs: () => bigint): TemplateContext {
  return { get: () => undefined, line: () => '', timestampNs: 0n, nowNs };
}
