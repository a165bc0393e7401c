/** Whether an error is a refusal with one of these codes of the catalogue of errors. */
export function refusalOf(...codes: readonly string[]): (error: unknown) => boolean {
  return (error) => error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
