/** Turns names of structured metadata into valid label names: step *validate* of a written line. */
import { quoteGo } from '@loki/go';
import { BoundedMap, LokiError } from '@loki/model';

/** Names cached with their valid form; metadata names are few, but clients choose them. */
const rememberedMax = 10_000;
/** A longer name is converted each time: 10,000 cached names of a megabyte would fill the memory. */
const rememberedCharsMax = 256;

/**
 * Makes metadata names valid label names, by the OpenTelemetry-to-Prometheus rules: characters other than
 * letters and digits become `_`, several in a row one `_`; a leading digit gets `key_` before it;
 * `__reserved__` names keep their affixes.
 */
export class MetadataNames {
  readonly #remembered = new BoundedMap<string, string>(rememberedMax);

  /** @throws LokiError 500 (as Loki, which fails the push) for a name without any valid character */
  normalize(name: string): string {
    if (name.length > rememberedCharsMax) return normalizeName(name);
    let normal = this.#remembered.get(name);
    if (normal === undefined) {
      normal = normalizeName(name);
      this.#remembered.set(name, normal);
    }
    return normal;
  }
}

function normalizeName(name: string): string {
  if (name === '') throw new LokiError('internal', 'label name is empty');
  const isReserved = name.length >= 4 && name.startsWith('__') && name.endsWith('__');
  const core = (isReserved ? name.slice(2, -2) : name).replace(/[^a-zA-Z0-9]+/gu, '_');
  let normal = isReserved ? `__${core}__` : core;
  if (/^[0-9]/.test(normal)) normal = `key_${normal}`;
  if (/^_*$/.test(normal)) {
    throw new LokiError(
      'internal',
      `normalization for label name ${quoteGo(name)} resulted in invalid name ${quoteGo(normal)}`,
    );
  }
  return normal;
}
