// The session of this tab. Its id is in sessionStorage: a reload keeps that, and a new tab begins without.

const KEY = 'chat-session';
let id = read();
let presented = false;

/** Where the browser lets pages store nothing, the session ends with the page. */
function read() {
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

function store() {
  try {
    if (id === undefined) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, id);
  } catch {
    // As above.
  }
}

/** What a handshake presents. */
export function protocols() {
  presented = id !== undefined;
  return presented ? [`session.${id}`] : [];
}

/** Takes the session that the server gave; true if it is not the one that was presented. */
export function keep(session) {
  id = session.id;
  store();
  return presented && !session.resumed;
}

export function forget() {
  id = undefined;
  store();
}

export const lost =
  'The server no longer knows your session: it has expired, or the server was restarted. Please join again.';

/** What a close code says about the session: `state` for the top of the page, `note` if it is over. */
export const endings = {
  1000: { state: 'Logged out', note: 'You have logged out. The server forgot your name and your room.' },
  1013: { state: 'The server cannot reach its sessions right now' },
  4409: { state: 'This session went on in another tab' },
  4440: {
    state: 'Session expired',
    note: 'Nothing came from you for so long that your session has expired.',
  },
};
