/** Parse errors of queries in Loki's words. */
import { LokiError } from '@loki/model';
import { RegexSyntaxError } from '@loki/regex';
import { TemplateSyntaxError } from '@loki/template';

/** An error without a position, about the meaning of a query. */
export function parseError(message: string): LokiError {
  return new LokiError('badRequest', `parse error : ${message}`);
}

/** An error about the token at a position; line 0 and column 0 (an empty query) mean no position. */
export function parseErrorAt(line: number, column: number, message: string): LokiError {
  if (line === 0 && column === 0) return parseError(message);
  return new LokiError('badRequest', `parse error at line ${line}, col ${column}: ${message}`);
}

/** An error about one stage of a pipeline, which its text names. */
export function stageError(stage: string, message: string): LokiError {
  return parseError(`stage '${stage}' : ${message}`);
}

/** Thrown for an invalid text inside a query (a path, pattern, address or format). The message is Loki's. */
export class QueryPartError extends Error {
  override readonly name = 'QueryPartError';
}

/**
 * The message of an error about a text inside a query. Any other error is a fault of this program and is
 * rethrown.
 */
export function messageOfPart(error: unknown): string {
  const isExpected =
    error instanceof QueryPartError ||
    error instanceof RegexSyntaxError ||
    error instanceof TemplateSyntaxError;
  if (!isExpected) throw error;
  return error.message;
}
