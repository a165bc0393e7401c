import { LokiError } from '@loki/model';
import { RegexSyntaxError } from '@loki/regex';
import { TemplateSyntaxError } from '@loki/template';

/** A complaint without a position: about what the query means. */
export function parseError(message: string): LokiError {
  return new LokiError('badRequest', `parse error : ${message}`);
}

/** A complaint about the token at a position; line 0 and column 0 (an empty query) count as no position. */
export function parseErrorAt(line: number, column: number, message: string): LokiError {
  if (line === 0 && column === 0) return parseError(message);
  return new LokiError('badRequest', `parse error at line ${line}, col ${column}: ${message}`);
}

/** A complaint about one stage of a pipeline, named by its text. */
export function stageError(stage: string, message: string): LokiError {
  return parseError(`stage '${stage}' : ${message}`);
}

/** Text inside a query (a path, pattern, address or format) that is none. The message is the reference's. */
export class QueryPartError extends Error {
  override readonly name = 'QueryPartError';
}

/** The words of a complaint about text inside a query; any other failure is ours, and thrown on. */
export function messageOfPart(error: unknown): string {
  const isExpected =
    error instanceof QueryPartError ||
    error instanceof RegexSyntaxError ||
    error instanceof TemplateSyntaxError;
  if (!isExpected) throw error;
  return error.message;
}
