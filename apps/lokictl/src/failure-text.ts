/** Text of a failed command. */
import { LokiError } from '@loki/model';

/** A failure in words for a terminal: a stack only for faults of this program. */
export function failureText(error: unknown): string {
  if (error instanceof LokiError) return error.message;
  if (error instanceof Error && 'code' in error) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
