/** Sizes as text: Loki's log lines and configuration. */
const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Decimal units with two digits, as Loki's log lines have them: `1.5MB`. */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < byteUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value < 10 ? value.toFixed(1) : Math.round(value)}${byteUnits[unit]}`;
}

const binaryUnits = ['', 'K', 'M', 'G', 'T'];

/**
 * Parses a number of bytes, with or without a unit of Loki's configuration (KB = 1024); undefined for other
 * text.
 */
export function parseBinaryBytes(text: string): number | undefined {
  const match = /^(-?\d{1,15})\s*([KMGT]?)B?$/i.exec(text.trim());
  return match ? Number(match[1]) * 1024 ** binaryUnits.indexOf(match[2].toUpperCase()) : undefined;
}
