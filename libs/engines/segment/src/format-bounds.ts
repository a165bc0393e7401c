/**
 * Bounds of the format. Writers keep them, readers refuse what exceeds them before they allocate: a claimed
 * size is never a reason to take more memory than a sound segment needs.
 */

/**
 * Line bytes after which a flushed or compacted block is cut: the ratio hardly grows beyond, the cost of a
 * read does.
 */
export const blockBytesDefault = 1 << 20;
/** A record keeps one push batch in one block where it can: fewer frames, better ratio. */
export const recordBlockBytesDefault = 4 << 20;
/** Rows after which a block is cut whatever its bytes: empty lines must not make endless blocks. */
export const blockRowsTarget = 1 << 18;

/** Line bytes of one block: the largest single line is far smaller, and a decoded block must fit a cache. */
export const blockLineBytesMax = 64 << 20;
export const blockRowsMax = 1 << 22;
/** One metadata unit, decoded. Values of a block are bounded by the push limits, far below this. */
export const metadataUnitBytesMax = 256 << 20;
/** Decoded bytes of one part of a footer (block table, runs, one label column). */
export const footerPartBytesMax = 256 << 20;
/** Footer in the object. */
export const footerBytesMax = 512 << 20;
export const sectionsMax = 1 << 20;
export const streamsMax = 1 << 24;
/** Runs of a section, over all blocks: 40 bytes each in memory. */
export const runsMax = 1 << 24;
export const blocksMax = 1 << 20;
/** Distinct label names of a section, or metadata keys of one. */
export const namesMax = 1 << 20;

/**
 * Timestamps of a block lie within this many ns of each other (104 days), so that differences are exact
 * doubles.
 */
export const blockSpanNsMax = 2 ** 53 - 1;
/** Units smaller than this are not worth a zstd call: the frame alone takes 13 bytes. */
export const compressFromBytes = 128;
/**
 * A dictionary column of at least this size is a unit of its own, so that it can be read without the others.
 */
export const ownUnitFromBytes = 4096;
