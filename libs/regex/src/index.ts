export type { Match } from './engines.ts';
export type { AnyOf, Literal, LiteralFacts } from './literals.ts';
export { compileRegex } from './regex.ts';
export type { Regex, RegexOptions } from './regex.ts';
export { RegexSyntaxError } from './syntax-error.ts';
