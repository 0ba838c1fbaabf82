import { limits, Refusal, readCommand, readName, readReference, readRoom, readText } from './protocol.mjs';
import { createBucket } from './rate.mjs';
import { createRooms } from './rooms.mjs';
import { keep } from './sessions.mjs';

/** Changes within this time are told together. */
const LIST_DELAY = 200;

/**
 * What a chat connection carries in `connection.data`, for as long as it lives. What outlives it is in its session.
 *
 * @typedef {object} ChatUser
 * @property {string} person who this is to others, out of the session
 * @property {string | undefined} name
 * @property {string | undefined} room
 * @property {ReturnType<typeof createBucket>} messages what it may still send
 * @property {ReturnType<typeof createBucket>} patience how often it may still be refused
 * @property {string} listed the list of rooms that it was told last
 *
 * @typedef {import('./rooms.mjs').ChatConnection} ChatConnection
 * @typedef {import('./sessions.mjs').ChatSession} ChatSession
 */

/** @returns {ChatUser} */
export function newUser() {
  return {
    person: '',
    name: undefined,
    room: undefined,
    messages: createBucket(4, 10),
    patience: createBucket(0.5, 20),
    listed: '',
  };
}

/** The handlers of the subprotocol `chat`. Each gets the session of its connection. */
export function chatProtocol() {
  const rooms = createRooms();
  /** @type {Set<ChatConnection>} */
  const everyone = new Set();
  let listing = false;

  function tellList() {
    listing = false;
    const list = rooms.list();
    const listed = JSON.stringify(list);
    const text = JSON.stringify({ type: 'rooms', rooms: list });
    for (const connection of everyone) {
      if (connection.data.listed === listed) continue;
      connection.data.listed = listed;
      connection.send(text);
    }
  }

  function listChanged() {
    if (!listing) setTimeout(tellList, LIST_DELAY).unref();
    listing = true;
  }

  /** @type {Record<string, (connection: ChatConnection, command: any, session: ChatSession) => void>} */
  const commands = {
    join(connection, command, session) {
      const welcome = rooms.join(connection, readName(command.name), readRoom(command.room));
      connection.send(JSON.stringify(welcome));
      listChanged();
      keep(session, { name: welcome.you.name, room: welcome.room });
    },
    leave(connection, _command, session) {
      rooms.leave(connection);
      listChanged();
      keep(session, { room: undefined });
    },
    logout(connection, _command, session) {
      // This closes the connection as well.
      session.end(1000, 'logged out').catch(() => {
        refuse(connection, new Refusal('store', 'Logging out is not possible right now; please try again.'));
      });
    },
    say(connection, command) {
      rooms.say(connection, readText(command.text), readReference(command.reference));
    },
    typing(connection) {
      rooms.typing(connection);
    },
  };

  /** Does what was asked, or tells the person why not. */
  function obey(connection, command, session) {
    try {
      if (!Object.hasOwn(commands, command.type)) throw new Refusal('invalid', 'No such command.');
      commands[command.type](connection, command, session);
    } catch (error) {
      refuse(connection, error, readReference(command.reference));
    }
  }

  /** Loses patience with a peer that does not stop. */
  function refuse(connection, error, reference) {
    if (!(error instanceof Refusal)) throw error;
    const { code, message } = error;
    connection.send(JSON.stringify({ type: 'refused', code, message, reference }));
    if (!connection.data.patience.take()) connection.close(1008, 'Too many messages were refused.');
  }

  return {
    /** @param {ChatConnection} connection @param {ChatSession} session */
    open(connection, session) {
      const { person, name, room } = session.attributes;
      const { id, resumed } = session;
      connection.data.person = person;
      everyone.add(connection);
      const list = rooms.list();
      connection.data.listed = JSON.stringify(list);
      const hello = { type: 'hello', limits, rooms: list, session: { id, resumed }, name, room };
      connection.send(JSON.stringify(hello));
      if (room !== undefined) obey(connection, { type: 'join', name, room }, session);
    },
    /** @param {ChatConnection} connection @param {string | Buffer} data @param {ChatSession} session */
    message(connection, data, session) {
      let command;
      try {
        command = readCommand(data);
      } catch (error) {
        return refuse(connection, error);
      }
      if (connection.data.messages.take()) return obey(connection, command, session);
      if (command.type === 'typing') return;
      const refusal = new Refusal('rate', 'That is too fast; please wait a moment.');
      refuse(connection, refusal, readReference(command.reference));
    },
    /** @param {ChatConnection} connection */
    close(connection) {
      everyone.delete(connection);
      rooms.leave(connection);
      listChanged();
    },
  };
}
