/** Beginning of every path of this API; `weir` is a reserved name among upstreams. */
export const VERSIONED = '/weir/v1'
