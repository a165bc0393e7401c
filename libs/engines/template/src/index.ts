/** Go's text/template with Loki's functions: `line_format`, `label_format` and texts of alerts. */
export { compileDataTemplate } from './data-template.ts';
export type { DataTemplate } from './data-template.ts';
export { CallError, TemplateExecError, TemplateSyntaxError } from './errors.ts';
export { toText } from './format-value.ts';
export { fn } from './function-types.ts';
export type { FunctionTable, TemplateFunction } from './function-types.ts';
export type { TemplateContext } from './state.ts';
export { compileTemplate } from './template.ts';
export type { Template } from './template.ts';
export { GoInt, typeName } from './values.ts';
export type { LabelMap, Value } from './values.ts';
