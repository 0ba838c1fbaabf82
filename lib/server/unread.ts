import { process } from '../shared/ambient.js';

const WARNING =
  'A message came for a connection that nobody reads, and is discarded, as all further ones (stats().messagesDiscarded). ' +
  'Give the server or its subprotocol a message handler, or begin a loop over the connection inside open; ' +
  'pause() inside open keeps what comes until resume(), for a loop that begins later';

/** Counts what came for connections of one server that nobody reads. Warns of the first, since it tells of missing code. */
export class Discards {
  count = 0;

  note(): void {
    if (this.count++ === 0) process.emitWarning(WARNING, { code: 'LWS_MESSAGES_DISCARDED' });
  }
}
