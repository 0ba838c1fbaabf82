// The page's part of the chat: what to send, and what to make of what comes.
import { showFigures } from './figures.js';
import { openLink } from './link.js';
import * as session from './session.js';
import {
  clearLog,
  isShown,
  parts,
  scrollToEnd,
  showMessage,
  showNotice,
  showPeople,
  showRooms,
  showState,
} from './view.js';

const TYPING_EVERY = 2_000;
const TYPING_SHOWN = 3_500;

/** What this page joined, and joins again after each reconnect. */
let joined;
let you;
let roomShown;
let rooms = [];
/** Names of who is here, by id. */
let people = new Map();
/** What was sent and not yet seen to be said, by reference. */
const unsaid = new Map();
let references = 0;
let typedAt = Number.NEGATIVE_INFINITY;
const typists = new Map();

const link = openLink({
  protocols: () => ['chat', ...session.protocols()],
  onMessage: (message) => receivers[message.type]?.(message),
  onState(state) {
    const ending = session.endings[state.code];
    showState(state, ending?.state);
    if (state.name !== 'open' && unsaid.size > 0)
      giveBack([...unsaid.keys()], 'The connection broke before this was said.');
    if (ending?.note) startOver(ending.note);
  },
});

const receivers = {
  hello(message) {
    parts.name.maxLength = message.limits.name;
    parts.room.maxLength = message.limits.room;
    parts.text.maxLength = message.limits.text;
    if (message.name) parts.name.value = message.name;
    receivers.rooms(message);
    const isLost = session.keep(message.session);
    if (message.room) {
      // The server lets the session into its room by itself; the address may lead into another one.
      const { name, room } = joined ?? { name: message.name, room: roomOfAddress() ?? message.room };
      joined = { name, room };
      if (room !== message.room) join(name, room);
    } else if (joined) join(joined.name, joined.room);
    else if (isLost) parts.joinNote.textContent = session.lost;
  },
  rooms(message) {
    rooms = message.rooms;
    listRooms();
  },
  welcome(message) {
    you = message.you;
    // A room's history and what is on the screen overlap after a reconnect, or more was said than is kept.
    if (message.room !== roomShown) clearLog();
    else if (message.isTrimmed && !message.history.some(({ id }) => isShown(id)))
      showNotice('You are back. More was said meanwhile than the server keeps: the rest is missing here.');
    else showNotice('You are back.');
    roomShown = message.room;
    for (const said of message.history) if (!isShown(said.id)) showMessage(said, said.from.id === you.id);
    people = new Map(message.people.map(({ id, name }) => [id, name]));
    for (const id of [...typists.keys()]) stopTyping(id);
    parts.room.value = message.room;
    parts.name.value = you.name;
    parts.talkRoom.textContent = `#${message.room}`;
    parts.talkName.textContent = you.name;
    showPeople(people, you.id);
    listRooms();
    showTalk(true);
    history.replaceState(null, '', `?room=${encodeURIComponent(message.room)}`);
    parts.joinError.textContent = '';
    parts.joinNote.textContent = '';
    scrollToEnd();
  },
  joined({ person }) {
    people.set(person.id, person.name);
    showPeople(people, you.id);
    showNotice(`${person.name} joined`);
  },
  left({ person }) {
    people.delete(person.id);
    stopTyping(person.id);
    showPeople(people, you.id);
    showNotice(`${person.name} left`);
  },
  said({ message, reference }) {
    unsaid.delete(reference);
    stopTyping(message.from.id);
    showMessage(message, message.from.id === you.id);
  },
  typing({ id }) {
    clearTimeout(typists.get(id));
    typists.set(
      id,
      setTimeout(() => stopTyping(id), TYPING_SHOWN),
    );
    showTypists();
  },
  refused({ message, reference }) {
    if (unsaid.has(reference)) giveBack([reference], message);
    else if (roomShown === undefined) {
      joined = undefined;
      parts.joinError.textContent = message;
    } else {
      // A refused change of rooms leaves this page where it was.
      joined = { name: joined.name, room: roomShown };
      parts.sayError.textContent = message;
    }
  },
};

/** Puts back what was not said, in front of what was written since; what does not fit is shown as not said. */
function giveBack(keys, why) {
  for (const key of keys.toReversed()) {
    const text = unsaid.get(key);
    unsaid.delete(key);
    const all = parts.text.value === '' ? text : `${text}\n${parts.text.value}`;
    if (all.length <= parts.text.maxLength) parts.text.value = all;
    else showNotice(`Not said: ${text}`);
  }
  parts.sayError.textContent = why;
  fitText();
}

function stopTyping(id) {
  clearTimeout(typists.get(id));
  if (typists.delete(id)) showTypists();
}

function showTypists() {
  const names = [...typists.keys()].map((id) => people.get(id)).filter((name) => name !== undefined);
  const verb = names.length === 1 ? 'is' : 'are';
  const who = names.length > 3 ? `${names.length} people` : names.join(', ');
  parts.typing.textContent = names.length === 0 ? '' : `${who} ${verb} typing…`;
}

function listRooms() {
  showRooms(rooms, roomShown, (room) => {
    parts.room.value = room;
    if (joined) join(joined.name, room);
    else parts.name.focus();
  });
}

function showTalk(inRoom) {
  const before = parts.talk.hidden;
  parts.join.hidden = inRoom;
  parts.talk.hidden = !inRoom;
  parts.peopleCard.hidden = !inRoom;
  openPanel(false);
  if (inRoom && before) parts.text.focus();
}

/** Out of the room, with nothing joined. */
function goOut() {
  joined = undefined;
  roomShown = undefined;
  people = new Map();
  parts.sayError.textContent = '';
  showTalk(false);
  listRooms();
  parts.name.focus();
}

/** The session has ended, and with it what this page was. */
function startOver(note) {
  session.forget();
  goOut();
  parts.joinNote.textContent = note;
}

function join(name, room) {
  if (link.send({ type: 'join', name, room })) joined = { name, room };
  else
    (parts.talk.hidden ? parts.joinError : parts.sayError).textContent = 'There is no connection right now.';
}

function roomOfAddress() {
  return new URLSearchParams(location.search).get('room')?.slice(0, parts.room.maxLength) || undefined;
}

function openPanel(open) {
  parts.panelToggle.ariaExpanded = String(open);
  parts.panelToggle.textContent = open ? 'Close' : 'Details';
  parts.panel.classList.toggle('open', open);
}

/** As tall as its text, within the bounds of the style sheet. */
function fitText() {
  const { text, count } = parts;
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
  const left = text.maxLength - text.value.length;
  count.hidden = left > 100;
  count.textContent = `${left} left`;
}

parts.join.addEventListener('submit', (event) => {
  event.preventDefault();
  parts.joinError.textContent = '';
  join(parts.name.value, parts.room.value);
});

parts.say.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = parts.text.value;
  if (text.trim() === '') return;
  references += 1;
  if (!link.send({ type: 'say', text, reference: references })) {
    parts.sayError.textContent = 'There is no connection right now; your text stays here.';
    return;
  }
  unsaid.set(references, text);
  typedAt = Number.NEGATIVE_INFINITY;
  parts.text.value = '';
  parts.sayError.textContent = '';
  fitText();
});

parts.text.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  parts.say.requestSubmit();
});

parts.text.addEventListener('input', () => {
  fitText();
  const now = performance.now();
  if (parts.text.value === '' || now - typedAt < TYPING_EVERY) return;
  typedAt = now;
  link.send({ type: 'typing' });
});

parts.leave.addEventListener('click', () => {
  link.send({ type: 'leave' });
  goOut();
});

parts.logout.addEventListener('click', () => {
  if (!link.send({ type: 'logout' })) parts.sayError.textContent = 'There is no connection right now.';
});

parts.log.addEventListener('scroll', () => {
  const { log, newer } = parts;
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 8) newer.hidden = true;
});
parts.newer.addEventListener('click', scrollToEnd);
parts.retry.addEventListener('click', link.retry);
parts.panelToggle.addEventListener('click', () => openPanel(!parts.panel.classList.contains('open')));
addEventListener('keydown', (event) => {
  if (event.key === 'Escape') openPanel(false);
});

parts.room.value = roomOfAddress() ?? 'lobby';
parts.name.focus();
showFigures();
