import { protocol } from 'libwebsockets';
import { limits, Refusal, readCommand, readName, readReference, readRoom, readText } from './protocol.mjs';
import { createBucket } from './rate.mjs';
import { createRooms } from './rooms.mjs';

/** Changes within this time are told together. */
const LIST_DELAY = 200;

/**
 * What a chat connection carries in `connection.data`.
 *
 * @typedef {object} ChatUser
 * @property {string | undefined} name
 * @property {string | undefined} room
 * @property {ReturnType<typeof createBucket>} messages what it may still send
 * @property {ReturnType<typeof createBucket>} patience how often it may still be refused
 */

/** @returns {ChatUser} */
export function newUser() {
  return { name: undefined, room: undefined, messages: createBucket(4, 10), patience: createBucket(0.5, 20) };
}

/** The handlers of the subprotocol `chat`. */
export function chatProtocol() {
  const rooms = createRooms();
  /** @type {Set<import('./rooms.mjs').ChatConnection>} */
  const everyone = new Set();
  let listed = '';
  let listing = false;

  function tellList() {
    listing = false;
    const text = JSON.stringify({ type: 'rooms', rooms: rooms.list() });
    if (text === listed) return;
    listed = text;
    for (const connection of everyone) connection.send(text);
  }

  function listChanged() {
    if (!listing) setTimeout(tellList, LIST_DELAY).unref();
    listing = true;
  }

  /** @type {Record<string, (connection: import('./rooms.mjs').ChatConnection, command: any) => void>} */
  const commands = {
    join(connection, command) {
      const welcome = rooms.join(connection, readName(command.name), readRoom(command.room));
      connection.send(JSON.stringify(welcome));
      listChanged();
    },
    leave(connection) {
      rooms.leave(connection);
      listChanged();
    },
    say(connection, command) {
      rooms.say(connection, readText(command.text), readReference(command.reference));
    },
    typing(connection) {
      rooms.typing(connection);
    },
  };

  /** Tells the person why not, and loses patience with a peer that does not stop. */
  function refuse(connection, refusal, reference) {
    const { code, message } = refusal;
    connection.send(JSON.stringify({ type: 'refused', code, message, reference }));
    if (!connection.data.patience.take()) connection.close(1008, 'Too many messages were refused.');
  }

  return protocol({
    open(connection) {
      everyone.add(connection);
      connection.send(JSON.stringify({ type: 'hello', limits, rooms: rooms.list() }));
    },
    message(connection, data) {
      let command;
      try {
        command = readCommand(data);
        if (!connection.data.messages.take()) {
          if (command.type === 'typing') return;
          throw new Refusal('rate', 'That is too fast; please wait a moment.');
        }
        if (!Object.hasOwn(commands, command.type)) throw new Refusal('invalid', 'No such command.');
        commands[command.type](connection, command);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refuse(connection, error, readReference(command?.reference));
      }
    },
    close(connection) {
      everyone.delete(connection);
      rooms.leave(connection);
      listChanged();
    },
  });
}
