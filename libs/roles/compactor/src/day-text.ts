/** A day as text: `2026-11-23`; days outside of the range of dates as their number. */
export function dayText(day: number): string {
  return day >= 0 && day < 2_900_000 ? new Date(day * 86_400_000).toISOString().slice(0, 10) : String(day);
}
