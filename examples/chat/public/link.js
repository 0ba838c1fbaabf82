// One WebSocket that comes back: reconnects with growing, jittered pauses and says what state it is in.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
/** A connection that lived so long was good: the pauses start over. */
const STEADY = 3_000;
/** The server does not want this page (RFC 6455 7.4.1): coming back by itself would only annoy it. */
const POLICY = 1008;

/** Between half of the pause and all of it, so that the pages of a restarted server do not all come at once. */
function pauseBefore(attempt) {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt);
  return longest * (0.5 + Math.random() / 2);
}

/**
 * @param {object} options
 * @param {string} options.protocol
 * @param {(message: any) => void} options.onMessage
 * @param {(state: { name: 'connecting' | 'open' | 'waiting' | 'stopped', retryAt?: number, reason?: string }) => void} options.onState
 */
export function openLink({ protocol, onMessage, onState }) {
  const url = new URL('/', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  let socket;
  let timer;
  let attempt = 0;
  let openedAt = 0;

  function connect() {
    clearTimeout(timer);
    timer = undefined;
    onState({ name: 'connecting' });
    openedAt = 0;
    socket = new WebSocket(url, protocol);
    socket.addEventListener('open', () => {
      openedAt = performance.now();
      onState({ name: 'open' });
    });
    socket.addEventListener('message', (event) => onMessage(JSON.parse(event.data)));
    socket.addEventListener('close', closed);
  }

  function closed({ code, reason }) {
    socket = undefined;
    if (code === POLICY) {
      onState({ name: 'stopped', reason: reason || 'The server ended this connection.' });
      return;
    }
    if (openedAt > 0 && performance.now() - openedAt > STEADY) attempt = 0;
    const pause = pauseBefore(attempt);
    attempt += 1;
    timer = setTimeout(connect, pause);
    onState({ name: 'waiting', retryAt: Date.now() + pause });
  }

  function retry() {
    if (socket === undefined) connect();
  }

  // Timers of hidden pages are slow, and what failed without a network may work at once with one.
  addEventListener('online', () => timer !== undefined && retry());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && timer !== undefined) retry();
  });
  connect();

  return {
    /** False when there is no open connection. */
    send(message) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message));
      return true;
    },
    /** Connects now instead of later. */
    retry,
  };
}
