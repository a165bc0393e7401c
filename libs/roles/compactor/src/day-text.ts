/** `2026-11-23`; a day too far from ours for that is told by its number. */
export function dayText(day: number): string {
  return day >= 0 && day < 2_900_000 ? new Date(day * 86_400_000).toISOString().slice(0, 10) : String(day);
}
