import { LokiError } from '@loki/model';

/** What went wrong, for the person at the terminal: stacks only for what should not happen. */
export function failureText(error: unknown): string {
  if (error instanceof LokiError) return error.message;
  if (error instanceof Error && 'code' in error) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
