// What the page may say, and the bounds of it. Everything that arrives is a stranger's until it passed here.

/** Told to the page on open, so that its fields stop where the server would. Lengths as JavaScript counts. */
export const limits = { name: 32, room: 32, text: 1000 };

/** Larger than the longest message that `limits` allow, as UTF-8 and JSON. */
export const maxPayload = 8 * 1024;

/** Something the other side asked for and does not get; the message is written for the person there. */
export class Refusal extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Control, private and lone surrogate characters, and those that change the direction of text around them. */
const unfit = /[\p{Cc}\p{Cs}\p{Co}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const visible = /[\p{L}\p{N}\p{P}\p{S}]/u;
const roomName = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}_-]*$/u;

/** @param {unknown} value @param {string} what @param {number} most */
function bounded(value, what, most) {
  if (typeof value !== 'string') throw new Refusal('invalid', `Expected a ${what} as a string.`);
  if (value.length > most) throw new Refusal(what, `A ${what} has at most ${most} characters.`);
  return value;
}

/** @param {unknown} value */
export function readName(value) {
  const name = bounded(value, 'name', limits.name).normalize('NFC').replace(/\s+/gu, ' ').trim();
  if (!visible.test(name)) throw new Refusal('name', 'Please enter a name.');
  if (name.length > limits.name || unfit.test(name))
    throw new Refusal('name', 'That name has characters that cannot be shown.');
  return name;
}

/** @param {unknown} value */
export function readRoom(value) {
  const room = bounded(value, 'room', limits.room).normalize('NFC').toLowerCase().trim();
  if (room.length > limits.room || !roomName.test(room))
    throw new Refusal('room', 'The name of a room has letters, digits, - and _ only.');
  return room;
}

/** @param {unknown} value */
export function readText(value) {
  const text = bounded(value, 'text', limits.text).replace(/\r\n?/g, '\n').trim();
  if (!visible.test(text)) throw new Refusal('text', 'An empty message says nothing.');
  if (unfit.test(text.replace(/[\n\t]/g, '')))
    throw new Refusal('text', 'That message has characters that cannot be shown.');
  return text;
}

/** The page's own mark for a message, given back with its echo or its refusal. @param {unknown} value */
export function readReference(value) {
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Reads one message of the page.
 *
 * @param {string | Buffer} data
 * @returns {{ type: string, [field: string]: unknown }}
 */
export function readCommand(data) {
  if (typeof data !== 'string') throw new Refusal('invalid', 'The chat speaks JSON text, not binary.');
  let value;
  try {
    value = JSON.parse(data);
  } catch {
    throw new Refusal('invalid', 'Expected JSON.');
  }
  if (typeof value !== 'object' || value === null || typeof value.type !== 'string')
    throw new Refusal('invalid', 'Expected an object with a type.');
  return value;
}
