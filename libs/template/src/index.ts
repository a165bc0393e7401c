export { TemplateExecError, TemplateSyntaxError } from './errors.ts';
export type { TemplateContext } from './state.ts';
export { compileTemplate } from './template.ts';
export type { Template } from './template.ts';
