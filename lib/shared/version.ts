/** This package's version: the same in package.json and in every binary that belongs to it. */
export const version = '0.1.0';
