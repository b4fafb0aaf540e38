/** The share of the full size at which a benchmark only shows that it runs and counts right, so nothing is warmed up or repeated. */
export const quickScale = 0.001;

/** Returns whether a benchmark only shows that it runs. */
export const isQuick = (scale: number): boolean => scale <= quickScale;
