/** The long form, as `npm run test:cluster` runs it: the figures of the documentation. */
export const isLong = process.env.LWS_CLUSTER === '1';

/** A size for the long form, and one for a run among many others. */
export const size = <T>(long: T, short: T): T => (isLong ? long : short);
