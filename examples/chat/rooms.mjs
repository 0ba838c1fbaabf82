import { randomUUID } from 'node:crypto';
import { limits, Refusal } from './protocol.mjs';

const ROOMS_MAX = 100;
const PEOPLE_MAX = 200;
const HISTORY_MAX = 50;
const LISTED_MAX = 20;

/**
 * @typedef {{ id: string, name: string }} Person
 * @typedef {{ id: string, from: Person, text: string, at: number }} Message
 * @typedef {import('libwebsockets').Connection<import('./chat.mjs').ChatUser>} ChatConnection
 * @typedef {{ name: string, members: Set<ChatConnection>, history: Message[], isTrimmed: boolean }} Room
 */

/** @param {ChatConnection} connection @returns {Person} */
function personOf(connection) {
  return { id: connection.data.person, name: connection.data.name ?? '' };
}

/** @param {Room} room @param {object} message @param {ChatConnection} [except] */
function tell(room, message, except) {
  const text = JSON.stringify(message);
  for (const member of room.members) if (member !== except) member.send(text);
}

/** Two people of one name could not be told apart: the second one gets a number. */
function freeName(room, wanted) {
  const key = (name) => name.normalize('NFKC').toLowerCase();
  const taken = new Set();
  for (const member of room.members) taken.add(key(member.data.name));
  let name = wanted;
  for (let number = 2; taken.has(key(name)); number++) {
    const suffix = ` ${number}`;
    // By characters, so that none is cut in half.
    let stem = [...wanted];
    while (stem.join('').length + suffix.length > limits.name) stem = stem.slice(0, -1);
    name = stem.join('') + suffix;
  }
  return name;
}

/** The rooms, who is in them and what was said last. A connection's own part is in `connection.data`. */
export function createRooms() {
  /** @type {Map<string, Room>} */
  const rooms = new Map();
  const boot = randomUUID().slice(0, 8);
  let messages = 0;

  /** An empty room keeps its history until its place is needed. @param {string} name */
  function find(name) {
    const known = rooms.get(name);
    if (known !== undefined) return known;
    if (rooms.size >= ROOMS_MAX) {
      const empty = [...rooms.values()].find((room) => room.members.size === 0);
      if (empty === undefined)
        throw new Refusal('room', `There are ${ROOMS_MAX} rooms already; join one of them.`);
      rooms.delete(empty.name);
    }
    const room = { name, members: new Set(), history: [], isTrimmed: false };
    rooms.set(name, room);
    return room;
  }

  /** @param {ChatConnection} connection */
  function roomOf(connection) {
    const room = connection.data.room === undefined ? undefined : rooms.get(connection.data.room);
    if (room === undefined) throw new Refusal('room', 'Join a room first.');
    return room;
  }

  /** @param {ChatConnection} connection */
  function leave(connection) {
    const { data } = connection;
    const room = data.room === undefined ? undefined : rooms.get(data.room);
    data.room = undefined;
    if (!room?.members.delete(connection)) return;
    tell(room, { type: 'left', person: personOf(connection) });
    if (room.members.size > 0) return;
    // To the end of the order: the room that was left first loses its place first.
    rooms.delete(room.name);
    rooms.set(room.name, room);
  }

  /** The connection by which somebody is in a room. @param {Room} room @param {string} person */
  function memberOf(room, person) {
    return [...room.members].find(({ data }) => data.person === person);
  }

  return {
    leave,

    /** @param {ChatConnection} connection @param {string} name @param {string} roomName */
    join(connection, name, roomName) {
      const room = find(roomName);
      const { person } = connection.data;
      if (room.members.size >= PEOPLE_MAX && memberOf(room, person) === undefined)
        throw new Refusal('room', `#${roomName} is full; ${PEOPLE_MAX} people are there.`);
      leave(connection);
      // Still there when a session moves: its earlier connection, about to end. The person stays, so nobody is told.
      const earlier = memberOf(room, person);
      if (earlier !== undefined) {
        room.members.delete(earlier);
        earlier.data.room = undefined;
      }
      connection.data.name = freeName(room, name);
      connection.data.room = roomName;
      room.members.add(connection);
      if (earlier?.data.name !== connection.data.name)
        tell(room, { type: 'joined', person: personOf(connection) }, connection);
      return {
        type: 'welcome',
        room: roomName,
        you: personOf(connection),
        people: [...room.members].map(personOf),
        history: room.history,
        isTrimmed: room.isTrimmed,
      };
    },

    /** @param {ChatConnection} connection @param {string} text @param {number} [reference] */
    say(connection, text, reference) {
      const room = roomOf(connection);
      messages += 1;
      const message = { id: `${boot}-${messages}`, from: personOf(connection), text, at: Date.now() };
      room.history.push(message);
      if (room.history.length > HISTORY_MAX) {
        room.history.shift();
        room.isTrimmed = true;
      }
      tell(room, { type: 'said', message }, connection);
      connection.send(JSON.stringify({ type: 'said', message, reference }));
    },

    /** @param {ChatConnection} connection */
    typing(connection) {
      tell(roomOf(connection), { type: 'typing', id: connection.data.person }, connection);
    },

    /** The rooms with people in them, the fullest first. */
    list() {
      return [...rooms.values()]
        .filter((room) => room.members.size > 0)
        .sort((a, b) => b.members.size - a.members.size || (a.name < b.name ? -1 : 1))
        .slice(0, LISTED_MAX)
        .map((room) => ({ name: room.name, people: room.members.size }));
    },
  };
}
