// What the page shows. Everything from the server becomes text, never markup.

const SHOWN_MAX = 200;
/** Messages of one person within this time stand together. */
const TOGETHER = 5 * 60_000;

export const parts = Object.fromEntries(
  [...document.querySelectorAll('[id]')].map((element) => [
    element.id.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase()),
    element,
  ]),
);

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The same colour for a name everywhere. */
function hue(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  // The golden angle keeps neighbours apart.
  return (hash * 137.508) % 360;
}

function avatar(name) {
  const [first = '?'] = new Intl.Segmenter().segment(name);
  const element = make('span', 'avatar', first.segment.toUpperCase());
  element.style.setProperty('--hue', hue(name));
  element.ariaHidden = 'true';
  return element;
}

function clock(at) {
  const time = make('time', '', new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  time.dateTime = new Date(at).toISOString();
  return time;
}

function atEnd() {
  const { log } = parts;
  return log.scrollHeight - log.scrollTop - log.clientHeight < 48;
}

export function scrollToEnd() {
  parts.log.scrollTop = parts.log.scrollHeight;
}

function append(item, follow) {
  const stay = !follow && !atEnd();
  parts.log.append(item);
  while (parts.log.children.length > SHOWN_MAX) parts.log.firstElementChild.remove();
  if (stay) parts.newer.hidden = false;
  else scrollToEnd();
}

let previous;

export function clearLog() {
  parts.log.replaceChildren();
  parts.newer.hidden = true;
  previous = undefined;
}

/** @param {{ id: string, from: { id: string, name: string }, text: string, at: number }} message */
export function showMessage(message, own) {
  const together = previous?.from.id === message.from.id && message.at - previous.at < TOGETHER;
  previous = message;
  const item = make('li', `message${own ? ' own' : ''}${together ? ' together' : ''}`);
  item.dataset.id = message.id;
  const head = make('p', 'message-head');
  head.append(make('strong', '', own ? 'You' : message.from.name), ' ', clock(message.at));
  item.append(avatar(message.from.name), head, make('p', 'message-text', message.text));
  append(item, own);
}

export function showNotice(text) {
  previous = undefined;
  append(make('li', 'notice', text), false);
}

export function isShown(id) {
  return [...parts.log.children].some((item) => item.dataset.id === id);
}

/** @param {Map<string, string>} people names by id */
export function showPeople(people, ownId) {
  const known = new Map([...parts.people.children].map((item) => [item.dataset.id, item]));
  for (const [id, item] of known) if (people.get(id) !== item.dataset.name) item.remove();
  for (const [id, name] of people) {
    if (known.get(id)?.dataset.name === name) continue;
    const item = make('li', '');
    item.dataset.id = id;
    item.dataset.name = name;
    item.append(avatar(name), make('span', 'person', name));
    if (id === ownId) item.append(' ', make('span', 'quiet', 'you'));
    parts.people.append(item);
  }
  parts.peopleCount.textContent = people.size;
}

export function showRooms(rooms, current, onPick) {
  parts.roomsNone.hidden = rooms.length > 0;
  const focused = parts.rooms.contains(document.activeElement)
    ? document.activeElement.dataset.room
    : undefined;
  parts.rooms.replaceChildren(
    ...rooms.map(({ name, people }) => {
      const button = make('button', 'room');
      button.type = 'button';
      button.dataset.room = name;
      const count = make('span', 'badge', people);
      count.ariaLabel = people === 1 ? '1 person' : `${people} people`;
      button.append(make('span', 'room-name', `#${name}`), ' ', count);
      if (name === current) button.ariaCurrent = 'true';
      button.addEventListener('click', () => onPick(name));
      const item = make('li');
      item.append(button);
      return item;
    }),
  );
  if (focused !== undefined) parts.rooms.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
}

const stateTexts = {
  connecting: 'Connecting…',
  open: 'Connected',
  waiting: 'Connection lost',
  stopped: 'The server ended this connection.',
};
let countdown;

/** @param {import('./link.js').LinkState} state @param {string} [text] instead of the usual one */
export function showState({ name, retryAt, reason }, text) {
  clearInterval(countdown);
  parts.state.dataset.state = name;
  document.body.classList.toggle('offline', name !== 'open');
  parts.stateText.textContent = text ?? ((name === 'stopped' && reason) || stateTexts[name]);
  parts.retry.hidden = name !== 'waiting' && name !== 'stopped';
  parts.stateWait.textContent = '';
  if (name !== 'waiting') return;
  const tick = () => {
    parts.stateWait.textContent = `next try in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1000))} s`;
  };
  tick();
  countdown = setInterval(tick, 250);
}
