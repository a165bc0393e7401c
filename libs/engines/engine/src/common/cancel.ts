/** A cancellation check for callers that cannot cancel. */
export function neverCancelled(): void {
  // The caller waits for the end.
}
