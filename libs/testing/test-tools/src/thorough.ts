/**
 * How many seeds or cases a test plays: `few` in a developer's check, `many` where time allows it, as in
 * `.ci/run`, which sets LOKI_TEST_THOROUGH.
 */
export function casesOf({ few, many }: { few: number; many: number }): number {
  return process.env['LOKI_TEST_THOROUGH'] === undefined ? few : many;
}
