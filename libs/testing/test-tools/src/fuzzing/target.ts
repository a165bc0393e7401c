/** Decoders as the fuzzer sees them; `x.fuzz.ts` beside a decoder exports its targets. */

/** How inputs of a decoder are built, and so how they are changed. */
type Shape = 'bytes' | 'text' | 'protobuf';

/** A decoder of outside bytes. */
export interface FuzzTarget {
  /** Unique in the tree; `--target` takes it. */
  readonly name: string;
  readonly shape: Shape;
  /** Sound inputs, and inputs that failed once. They are run as they are before any is changed. */
  readonly corpus: () => readonly (Uint8Array | string)[];
  /** Texts that mean something to the decoder; they are put into inputs. */
  readonly words?: readonly string[];
  /** Gives a changed input its checksum back, so that the change is not found by that alone. */
  readonly mend?: (input: Buffer) => Buffer;
  /**
   * Decodes. Its result tells kinds of outcomes apart; an error is a finding unless `isRefusal`.
   */
  readonly run: (input: Buffer) => unknown;
  readonly isRefusal: (error: unknown) => boolean;
  /** Bytes that the decoder may take by its own statement; four times as many are a finding. */
  readonly limitBytes?: number;
  /** Where an input may ask for work beyond its decoding, and a budget bounds that work. */
  readonly cpuMsMax?: number;
}

/** Inputs are not larger: each has to be decoded within the time. */
export const inputBytesMax = 64 * 1024;
export const cpuMsMaxDefault = 100;
/** For decoders that state no limit: small inputs need no more. */
export const limitBytesDefault = 16 * 2 ** 20;

/** A file of the tree whose damage must not pass. */
export interface GoldenFile {
  readonly name: string;
  readonly bytes: () => Buffer;
  /** All that the bytes say, a text for each record; throws a refusal when they are damaged. */
  readonly read: (bytes: Buffer) => readonly string[] | Promise<readonly string[]>;
  readonly isRefusal: (error: unknown) => boolean;
  /**
   * Of a file that grows by records: where each ends. A cut leaves the whole ones before it, and a flipped
   * bit costs its record at most. Absent: the file is sound as a whole or not at all.
   */
  readonly recordEnds?: () => readonly number[];
  /** Bytes at the beginning that a reader can do without while a single bit of them is wrong. */
  readonly spareBytes?: number;
}
