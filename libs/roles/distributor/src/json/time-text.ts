/** RFC 3339 without a fraction, in UTC, as Go prints it: `2024-01-02T03:04:05Z`. */
export function rfc3339Seconds(seconds: number): string {
  return `${dateText(seconds)}T${clockText(seconds)}Z`;
}

/** Go's Time.String in UTC: `2024-01-02 03:04:05.5 +0000 UTC`. */
export function goTimeText(seconds: number, nanos: number): string {
  const fraction = nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
  return `${dateText(seconds)} ${clockText(seconds)}${fraction} +0000 UTC`;
}

function dateText(seconds: number): string {
  const date = new Date(seconds * 1000);
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  return `${year}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
}

function clockText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
