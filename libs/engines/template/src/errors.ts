/** A template that cannot be compiled. `message` is Go's: template: line:1: function "nosuch" not defined */
export class TemplateSyntaxError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TemplateSyntaxError';
  }
}

/** A template that failed while it ran. `message` is Go's, with place and node. */
export class TemplateExecError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TemplateExecError';
  }
}

/** A function's refusal of its arguments; the place is added by the caller. */
export class CallError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CallError';
  }
}
