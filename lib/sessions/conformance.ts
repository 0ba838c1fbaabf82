/**
 * The suite that every session store has to pass.
 *
 * @module libwebsockets/sessions/conformance
 */

export { type ConformanceCase, type ConformanceOptions, conformance } from './conformance/index.js';
