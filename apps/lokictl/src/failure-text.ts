/** Text of a failed command. */
import { LokiError } from '@loki/model';

/** A failure in words for the person at the terminal: stacks only for faults of our own. */
export function failureText(error: unknown): string {
  if (error instanceof LokiError) return error.message;
  if (error instanceof Error && 'code' in error) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
