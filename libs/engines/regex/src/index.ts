/** Regular expressions: RE2's syntax and meaning as in Go, in linear time. */
export { plainAlternatives } from './plain-alternatives.ts';
export { compileRegex } from './regex.ts';
export type { Regex } from './regex.ts';
export { RegexSyntaxError } from './regex-syntax-error.ts';
