/** The test `ip("…")` on texts: lines and label values. */
import { ipMatches, parseIp, parseIpMatcher } from '@loki/logql';
import type { IpMatcher } from '@loki/logql';

const v4Candidate = /(?<![0-9])[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9])/g;
const v6Candidate = /(?<![0-9A-Za-z])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*/g;

/** Tests a text for addresses in a range. */
export class IpTextMatcher {
  readonly #matcher: IpMatcher;

  /** @throws Error for a pattern that is no address, range or block */
  constructor(pattern: string) {
    this.#matcher = parseIpMatcher(pattern);
  }

  /** Whether some address in the text is in the range. */
  matchesAny(text: string): boolean {
    const isV6 = this.#matcher.version === 6;
    for (const [candidate] of text.matchAll(isV6 ? v6Candidate : v4Candidate)) {
      if (this.#matches(candidate)) return true;
      // An address at the end of a sentence or before a port: `fe80::1:` or `::1.`
      if (isV6 && this.#matches(candidate.replace(/[.:]{1,2}$/, ''))) return true;
    }
    return false;
  }

  #matches(candidate: string): boolean {
    const address = parseIp(candidate);
    return address !== undefined && ipMatches(this.#matcher, address);
  }
}
