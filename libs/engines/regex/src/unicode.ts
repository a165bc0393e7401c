/** Unicode in RE2's syntax: case folding, general categories and scripts (`(?i)`, `\pL`, `\p{Greek}`). */
import { charSet, includes, negate, runeMax, size, union } from './char-set.ts';
import type { CharSet } from './char-set.ts';

/** Case variants: rune to all runes that RE2 treats as equal under (?i), itself included, ascending. */
let orbits: ReadonlyMap<number, readonly number[]> | undefined;

/**
 * The runes that equal `rune` case-insensitively (Unicode simple folding), itself included. Most have one or
 * two; k, s and a few more have three: `k K K`, `s S ſ`.
 */
export function foldOrbit(rune: number): readonly number[] {
  if (rune < 0x80 && !isAsciiLetter(rune)) return [rune];
  orbits ??= makeOrbits();
  return orbits.get(rune) ?? [rune];
}

/** Up to this many members of a set are folded one by one; for more, all runes with a case are checked. */
const fewRunes = 256;

/** `set` with all case variants of its members. */
export function foldSet(set: CharSet): CharSet {
  orbits ??= makeOrbits();
  const extra: number[] = [];
  const addVariants = (orbit: readonly number[]): void => {
    for (const variant of orbit) if (!includes(set, variant)) extra.push(variant, variant);
  };
  if (size(set) <= fewRunes) {
    for (let i = 0; i < set.length; i += 2) {
      for (let rune = set[i]; rune <= set[i + 1]; rune++) addVariants(foldOrbit(rune));
    }
  } else {
    for (const [rune, orbit] of orbits) if (includes(set, rune)) addVariants(orbit);
  }
  return extra.length === 0 ? set : union(set, charSet(extra));
}

/** Simple folding follows from the one-to-one case mappings; ı and İ map one way only, so they stay alone. */
function makeOrbits(): Map<number, readonly number[]> {
  const groups = new Map<number, number[]>();
  const join = (a: number, b: number) => {
    const leftGroup = groups.get(a) ?? [a];
    const rightGroup = groups.get(b) ?? [b];
    if (leftGroup === rightGroup) return;
    const joined = [...leftGroup, ...rightGroup].sort((x, y) => x - y);
    for (const rune of joined) groups.set(rune, joined);
  };
  const cased = property('Changes_When_Casemapped');
  for (let i = 0; i < cased.length; i += 2) {
    for (let rune = cased[i]; rune <= cased[i + 1]; rune++) {
      if (rune === 0x130 || rune === 0x131) continue;
      const text = String.fromCodePoint(rune);
      for (const mapped of [text.toLowerCase(), text.toUpperCase()]) {
        const target = mapped.codePointAt(0)!;
        if (target !== rune && String.fromCodePoint(target) === mapped) join(rune, target);
      }
    }
  }
  return groups;
}

const properties = new Map<string, CharSet>();

/**
 * The code points of an ECMAScript property expression (`L`, `Script=Greek`); cached, a few ms the first
 * time.
 */
function property(expression: string): CharSet {
  const cached = properties.get(expression);
  if (cached) return cached;
  const pattern = new RegExp(`\\p{${expression}}+`, 'gu');
  const ranges: number[] = [];
  const chunk = 0x4000;
  for (let base = 0; base <= runeMax; base += chunk) {
    if (base >= 0x4_0000 && base < 0xe_0000) continue; // four unassigned planes, see `unassigned`
    const codes: number[] = [];
    for (let rune = base; rune < base + chunk; rune++) codes.push(rune);
    // UTF-8 has no surrogates; they are handled separately, so that they do not join with other runes.
    if (base >= 0xd800 - chunk && base < 0xe000) {
      for (const rune of codes) {
        if ((rune < 0xd800 || rune > 0xdfff) && pattern.test(String.fromCodePoint(rune))) {
          ranges.push(rune, rune);
          pattern.lastIndex = 0;
        }
      }
      continue;
    }
    const text = String.fromCodePoint(...codes);
    for (const match of text.matchAll(pattern)) {
      const end = match.index + match[0].length;
      const first = text.codePointAt(match.index)!;
      const last = text.codePointAt(base > 0xffff ? end - 2 : end - 1)!;
      ranges.push(first, last);
    }
  }
  const set = charSet(ranges);
  properties.set(expression, set);
  return set;
}

const categories =
  'C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs'.split(
    ' ',
  );

/** Unicode's long names of the categories, which Go accepts since 1.25. */
const categoryAliases = new Map(
  (
    'Other=C Control=Cc Cntrl=Cc Format=Cf Unassigned=Cn Privateuse=Co Surrogate=Cs Letter=L Casedletter=LC ' +
    'Lowercaseletter=Ll Modifierletter=Lm Otherletter=Lo Titlecaseletter=Lt Uppercaseletter=Lu Mark=M ' +
    'Combiningmark=M Spacingmark=Mc Enclosingmark=Me Nonspacingmark=Mn Number=N Decimalnumber=Nd Digit=Nd ' +
    'Letternumber=Nl Othernumber=No Punctuation=P Punct=P Connectorpunctuation=Pc Dashpunctuation=Pd ' +
    'Closepunctuation=Pe Finalpunctuation=Pf Initialpunctuation=Pi Otherpunctuation=Po Openpunctuation=Ps ' +
    'Symbol=S Currencysymbol=Sc Modifiersymbol=Sk Mathsymbol=Sm Othersymbol=So Separator=Z Lineseparator=Zl ' +
    'Paragraphseparator=Zp Spaceseparator=Zs'
  )
    .split(' ')
    .map((pair) => pair.split('=') as [string, string]),
);

/** Cached sets by canonical name; bounded by the number of names. */
const unicodeSets = new Map<string, CharSet>();

/**
 * The set of \p{name}, or undefined when Go has no such name; the same object for the same name. Names are
 * compared as Go does since 1.25: case, spaces, `_` and `-` do not count.
 */
export function unicodeSet(name: string): CharSet | undefined {
  const canonical = canonicalName(name);
  const cached = unicodeSets.get(canonical);
  if (cached) return cached;
  const set = namedSet(canonical);
  if (set) unicodeSets.set(canonical, set);
  return set;
}

function namedSet(canonical: string): CharSet | undefined {
  if (canonical === 'Any') return [0, runeMax];
  if (canonical === 'Ascii') return [0, 0x7f];
  if (canonical === 'Assigned') return negate(category('Cn'));
  if (canonical === 'Lc') return category('LC');
  if (canonical === 'Cn' || categories.includes(canonical)) return category(canonical);
  const script = scripts.get(canonical);
  if (script !== undefined) return property(`Script=${script}`);
  const alias = categoryAliases.get(canonical);
  return alias === undefined ? undefined : category(alias);
}

function category(name: string): CharSet {
  if (name === 'Cn') return unassigned();
  if (name === 'Cs') return [0xd800, 0xdfff];
  if (name === 'C') return ['Cc', 'Cf', 'Cn', 'Co', 'Cs'].map(category).reduce(union);
  if (name === 'Co') return [0xe000, 0xf8ff, 0xf_0000, 0xf_fffd, 0x10_0000, 0x10_fffd];
  return property(name);
}

function unassigned(): CharSet {
  return negate(union(property('Assigned'), [0xd800, 0xdfff]));
}

/** Unicode's script names; they are looked up without case and underscores. */
const scripts = new Map(
  (
    'Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali ' +
    'Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian ' +
    'Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret ' +
    'Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian ' +
    'Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo ' +
    'Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian ' +
    'Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi ' +
    'Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic ' +
    'Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive ' +
    'Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari ' +
    'New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic ' +
    'Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya ' +
    'Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic ' +
    'Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo ' +
    'Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut ' +
    'Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi ' +
    'Zanabazar_Square'
  )
    .split(' ')
    .map((name) => [canonicalName(name), name]),
);

function canonicalName(name: string): string {
  const bare = name.replace(/[ _-]/g, '');
  return bare.charAt(0).toUpperCase() + bare.slice(1).toLowerCase();
}

function isAsciiLetter(rune: number): boolean {
  const lower = rune | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}
