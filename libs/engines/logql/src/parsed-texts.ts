/** Caches the parsed form of query texts: step *admit* of a query, and its leaves. */
import { BoundedMap, LokiError } from '@loki/model';
import type { Expr } from './ast.ts';

/** How a text reads as a query. A user of the tree heeds the faults that concern it. */
export interface ParsedText {
  /** Undefined: `fault` says why. Trees are never changed. */
  readonly expr?: Expr;
  /** Of the grammar. */
  readonly fault?: string;
  /** The error for a selector that selects every stream, or for too many selectors. */
  readonly selectorFault?: string;
  /** Of the contents of a stage. */
  readonly stageFault?: string;
}

/** Bounds of the memory of texts: honest queries have a few hundred characters. */
const textsMax = 512;
/**
 * At least twice the longest query: the latest text is always cached. A tree takes some ten bytes for
 * each.
 */
const charsMax = 512 * 1024;

/** A leaf travels as text, and each of its stretches and shards reads the same text again. */
const parsedTexts = new BoundedMap<string, ParsedText>(textsMax, {
  weightMax: charsMax,
  weightOf: (text) => text.length,
});

/** Undefined: the text was not read lately. */
export function parsedText(text: string): ParsedText | undefined {
  return parsedTexts.get(text);
}

/** Caches the parsed form of a text, which another thread may have parsed: parsing it again costs nothing. */
export function rememberParsed(text: string, parsed: ParsedText): void {
  parsedTexts.set(text, parsed);
}

/**
 * The tree, for a user whom these faults concern.
 *
 * @throws LokiError badRequest with the first fault
 */
export function treeOf(parsed: ParsedText, faults: readonly ('selectorFault' | 'stageFault')[]): Expr {
  const fault = parsed.fault ?? faults.map((name) => parsed[name]).find((text) => text !== undefined);
  if (fault !== undefined) throw new LokiError('badRequest', fault);
  return parsed.expr!;
}

/** The fault of a text that `read` refuses; undefined: it does not. */
export function faultOf(read: () => void): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof LokiError && error.code === 'badRequest') return error.message;
    throw error;
  }
}
