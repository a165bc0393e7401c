/**
 * Thrown for a template that cannot be compiled. `message` is Go's: template: line:1: function "nosuch" not
 * defined
 */
export class TemplateSyntaxError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TemplateSyntaxError';
  }
}

/** Thrown when the execution of a template fails. `message` is Go's, with place and node. */
export class TemplateExecError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TemplateExecError';
  }
}

/** Thrown by a function for its arguments; the caller adds the place. */
export class CallError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CallError';
  }
}
