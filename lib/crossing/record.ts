/**
 * The words of a record of the ring, in the order of `lwsn_record` (native/core/crossing/inbound.h), and of the head of
 * an out-record, in that of `lwsn_out_record` (native/core/crossing/outbound.h). test/architecture compares them.
 */

/** What is in the words of a record: `records[at + SLOT]`; the first is its kind. */
export const SLOT = 1;
export const GENERATION = 2;
/** Where its payload is, {@link NO_SLAB} where it has none: the slab, the offset in it and the length. */
export const SLAB = 3;
export const OFFSET = 4;
export const LENGTH = 5;
/** What they mean depends on the kind. */
export const DETAIL = 6;
export const EXTRA = 7;
/** Words of a record. */
export const RECORD_WORDS = 8;

/** The words of an out-record's head; its kind, with the detail above 8 bits, is the first. */
export const OUT_SLOT = 1;
export const OUT_GENERATION = 2;
export const OUT_LENGTH = 3;
