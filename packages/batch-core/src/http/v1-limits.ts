/** Maximum number of items in a JSON body. */
export const mostItems = 500_000;
/** Maximum size in bytes of the JSON body of a new batch. */
export const jsonLimit = 8 * 1024 * 1024;
/** Default of the maximum size in bytes of a stream of items (`V1Options.streamLimit`). */
export const standardStreamLimit = 1024 ** 3;
/** Maximum size in bytes of the body of a call that takes none, or a few parameters. */
export const smallBodyLimit = 64 * 1024;
/** Maximum number of batches or items in a page. */
export const mostPageItems = 500;
/** Maximum number of batches that the search for an item returns. */
export const mostFoundBatches = 100;
