/** Looks for a cancellation where none can come. */
export function neverCancelled(): void {
  // The caller waits to the end.
}
