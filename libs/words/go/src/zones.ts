/** Time zones with the abbreviations of Go's time zone database: templates show times in them. */

/** A time zone: its offset from UTC and its abbreviation at an instant. */
export interface Zone {
  /** IANA name, `UTC`, or the abbreviation of a fixed offset. */
  readonly name: string;
  at(unixMs: number): { readonly offsetSeconds: number; readonly abbreviation: string };
}

/** UTC: offset 0 at every instant. */
export const utc: Zone = { name: 'UTC', at: () => ({ offsetSeconds: 0, abbreviation: 'UTC' }) };

/** A zone that is always `offsetSeconds` from UTC. Without an abbreviation it shows its offset. */
export function fixedZone(offsetSeconds: number, abbreviation: string): Zone {
  const zoneTime = { offsetSeconds, abbreviation: abbreviation || numericName(offsetSeconds, true) };
  return { name: abbreviation, at: () => zoneTime };
}

/** Cache of zones by name. Names come from queries, so the number of zones is bounded. */
const zones = new Map<string, Zone | undefined>();
const zonesMax = 1000;

/** The IANA zone of that name, or undefined. `Local` is the server's zone, which is UTC. */
export function findZone(name: string): Zone | undefined {
  if (name === '' || name === 'UTC' || name === 'Local') return utc;
  if (zones.has(name)) return zones.get(name);
  if (zones.size >= zonesMax) zones.clear();
  const zone = makeZone(name);
  zones.set(name, zone);
  return zone;
}

function makeZone(name: string): Zone | undefined {
  // Intl also accepts offsets and other spellings as names; Go does not.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return undefined;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
      timeZoneName: 'short',
    });
  } catch {
    return undefined; // no such zone
  }
  return {
    name,
    at(unixMs) {
      const second = Math.floor(unixMs / 1000) * 1000;
      const field: Record<string, string> = {};
      for (const { type, value } of format.formatToParts(second)) field[type] = value;
      const year = field.era?.startsWith('B') ? 1 - Number(field.year) : Number(field.year);
      const wall = new Date(0);
      wall.setUTCFullYear(year, Number(field.month) - 1, Number(field.day));
      wall.setUTCHours(Number(field.hour), Number(field.minute), Number(field.second));
      const offsetSeconds = Math.round((wall.getTime() - second) / 1000);
      return { offsetSeconds, abbreviation: abbreviationOf(name, offsetSeconds, field.timeZoneName ?? '') };
    },
  };
}

/**
 * Hours east of UTC in winter, and the abbreviations of winter and summer time, for zones that Intl writes as
 * GMT+n.
 */
const regions: readonly [pattern: RegExp, hours: number, winter: string, summer: string][] = [
  [/^Europe\/(?:London|Belfast|Guernsey|Isle_of_Man|Jersey)$/, 0, 'GMT', 'BST'],
  [/^Europe\/Dublin$/, 0, 'GMT', 'IST'],
  [/^(?:Europe\/Lisbon|Atlantic\/(?:Canary|Madeira|Faroe|Faeroe))$/, 0, 'WET', 'WEST'],
  [/^Europe\/(?:Moscow|Simferopol)$/, 3, 'MSK', 'MSD'],
  [/^(?:Europe|Arctic)\/|^Africa\/(?:Algiers|Tunis|Ceuta)$/, 1, 'CET', 'CEST'],
  [/^Africa\/(?:Johannesburg|Maseru|Mbabane)$/, 2, 'SAST', 'SAST'],
  [/^Africa\/(?!Casablanca|El_Aaiun)/, 1, 'WAT', 'WAT'],
  [/^(?:Europe|Asia\/(?:Beirut|Nicosia|Famagusta|Gaza|Hebron)|Africa\/(?:Cairo|Tripoli))/, 2, 'EET', 'EEST'],
  [/^Africa\//, 2, 'CAT', 'CAT'],
  [/^Africa\//, 3, 'EAT', 'EAT'],
  [/^Africa\//, 0, 'GMT', 'GMT'],
  [/^Asia\/(?:Kolkata|Calcutta)$/, 5.5, 'IST', 'IST'],
  [/^Asia\/Karachi$/, 5, 'PKT', 'PKST'],
  [/^Asia\/(?:Jakarta|Pontianak)$/, 7, 'WIB', 'WIB'],
  [/^Asia\/(?:Shanghai|Chongqing|Macau|Taipei)$/, 8, 'CST', 'CDT'],
  [/^Asia\/Hong_Kong$/, 8, 'HKT', 'HKST'],
  [/^Asia\/Manila$/, 8, 'PST', 'PDT'],
  [/^Asia\/Tokyo$/, 9, 'JST', 'JDT'],
  [/^Asia\/(?:Seoul|Pyongyang)$/, 9, 'KST', 'KDT'],
  [/^Asia\/Jerusalem$/, 2, 'IST', 'IDT'],
  [/^Australia\/(?:Sydney|Melbourne|Hobart|Brisbane|Canberra|Lindeman)$/, 10, 'AEST', 'AEDT'],
  [/^Australia\/(?:Adelaide|Darwin|Broken_Hill)$/, 9.5, 'ACST', 'ACDT'],
  [/^Australia\/Perth$/, 8, 'AWST', 'AWDT'],
  [/^Pacific\/Auckland$/, 12, 'NZST', 'NZDT'],
];

/** The time zone database's abbreviation for the offset; Intl has abbreviations for America only. */
function abbreviationOf(name: string, offsetSeconds: number, intl: string): string {
  if (/^[A-Z]{3,5}$/.test(intl) && intl !== 'GMT') return intl;
  const hours = offsetSeconds / 3600;
  for (const [pattern, base, winter, summer] of regions) {
    if (!pattern.test(name)) continue;
    if (hours === base) return winter;
    if (hours === base + 1 && summer !== winter) return summer;
  }
  // Before time zones were introduced each town had its own time.
  if (offsetSeconds % 900 !== 0) return 'LMT';
  return intl === 'GMT' ? 'GMT' : numericName(offsetSeconds);
}

/**
 * +03, -0330: the database's form for zones without another name. With `isFull`, Go's form for a nameless
 * zone: +0300.
 */
function numericName(offsetSeconds: number, isFull = false): string {
  const minutes = Math.abs(Math.trunc(offsetSeconds / 60));
  const text = String(Math.floor(minutes / 60)).padStart(2, '0');
  const minuteText = minutes % 60 === 0 && !isFull ? '' : String(minutes % 60).padStart(2, '0');
  return `${offsetSeconds < 0 ? '-' : '+'}${text}${minuteText}`;
}
