// One WebSocket that comes back: reconnects with growing, jittered pauses and says what state it is in.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
/** A connection that lived so long was good: the pauses start over. */
const STEADY = 3_000;
/**
 * The server does not want this page (1008, RFC 6455 7.4.1): coming back by itself would only annoy it. Another tab
 * took the session over (4409): the two would take turns for ever.
 */
const STOPS = new Set([1008, 4409]);
/** The end that this page asked for: it comes back at once, and nothing is wrong. */
const ENDED = 1000;

/** Between half of the pause and all of it, so that the pages of a restarted server do not all come at once. */
function pauseBefore(attempt) {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt);
  return longest * (0.5 + Math.random() / 2);
}

/**
 * @param {object} options
 * @param {() => string[]} options.protocols asked at each attempt
 * @param {(message: any) => void} options.onMessage
 * @param {(state: LinkState) => void} options.onState
 *
 * @typedef {object} LinkState
 * @property {'connecting' | 'open' | 'waiting' | 'stopped'} name
 * @property {number} [retryAt] when it is waiting
 * @property {number} [code] of the close before, and
 * @property {string} [reason] what the server said
 */
export function openLink({ protocols, onMessage, onState }) {
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
    socket = new WebSocket(url, protocols());
    socket.addEventListener('open', () => {
      openedAt = performance.now();
      onState({ name: 'open' });
    });
    socket.addEventListener('message', (event) => onMessage(JSON.parse(event.data)));
    socket.addEventListener('close', closed);
  }

  function closed({ code, reason }) {
    socket = undefined;
    if (STOPS.has(code)) {
      onState({ name: 'stopped', code, reason });
      return;
    }
    if (openedAt > 0 && performance.now() - openedAt > STEADY) attempt = 0;
    const pause = code === ENDED && attempt === 0 ? 0 : pauseBefore(attempt);
    attempt += 1;
    timer = setTimeout(connect, pause);
    if (code === ENDED) onState({ name: 'connecting', code, reason });
    else onState({ name: 'waiting', retryAt: Date.now() + pause, code, reason });
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
