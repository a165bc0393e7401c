/**
 * Bounds of the format. Writers respect them, and readers check them before they allocate: a false size never
 * makes a reader take more memory than a valid segment needs.
 */

/**
 * Target of line bytes for flushed and compacted blocks: larger blocks hardly compress better, but cost more
 * to read.
 */
export const blockBytesDefault = 1 << 20;
/**
 * Target of line bytes for blocks of records. One batch usually fits one block: fewer frames compress better.
 */
export const recordBlockBytesDefault = 4 << 20;
/** Target of rows per block, for blocks of very short lines. */
export const blockRowsTarget = 1 << 18;

/**
 * Most line bytes of one block: the largest single line is far smaller, and a decoded block must fit the
 * cache.
 */
export const blockLineBytesMax = 64 << 20;
export const blockRowsMax = 1 << 22;
/** Most bytes of a decoded metadata unit. The limits of pushes keep real ones far below this. */
export const metadataUnitBytesMax = 256 << 20;
/** Most decoded bytes of one part of a footer (block table, runs, one label column). */
export const footerPartBytesMax = 256 << 20;
/** Most stored bytes of a footer. */
export const footerBytesMax = 512 << 20;
export const sectionsMax = 1 << 20;
export const streamsMax = 1 << 24;
/** Most runs of a section, over all blocks: 40 bytes each in memory. */
export const runsMax = 1 << 24;
export const blocksMax = 1 << 20;
/** Most distinct label names of a section, and most metadata keys of one. */
export const namesMax = 1 << 20;

/** Longest time span of a block in ns (104 days), so that differences are exact doubles. */
export const blockSpanNsMax = 2 ** 53 - 1;
/** Smaller units are not compressed: a zstd frame alone takes 13 bytes. */
export const compressFromBytes = 128;
/** Size from which a dictionary column is a unit of its own, so that it can be read without the others. */
export const ownUnitFromBytes = 4096;
