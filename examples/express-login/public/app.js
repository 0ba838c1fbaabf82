// A tab: presents its session after a reload, and tells why it was closed.
const part = (id) => document.getElementById(id);
const key = 'session';
/** Codes after which trying again at once would only be refused again. */
const final = new Map([
  [1008, 'You were logged out.'],
  [4401, 'The login has expired.'],
  [4409, 'This session went on in another tab.'],
  [4429, 'You have too many tabs open.'],
]);
let pause = 500;

function connect() {
  const url = new URL('/live', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const id = sessionStorage.getItem(key);
  if (id !== null) url.searchParams.set('session', id);
  const socket = new WebSocket(url);
  let isWelcome = false;
  part('click').onclick = () => socket.send('click');
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.kind === 'hello') {
      isWelcome = true;
      pause = 500;
      sessionStorage.setItem(key, message.session);
      show(`Hello ${message.user}${message.resumed ? ', welcome back' : ''}.`, true);
    }
    if (message.clicks !== undefined) part('clicks').textContent = message.clicks;
    if (message.total !== undefined) part('total').textContent = `${message.total} in ${message.tabs}`;
  };
  socket.onclose = ({ code }) => {
    if (!isWelcome && !final.has(code)) {
      // A refused handshake tells a page nothing: most likely nobody is logged in.
      show('You are not logged in.', false);
      return;
    }
    if (final.has(code)) {
      sessionStorage.removeItem(key);
      show(final.get(code), false);
      return;
    }
    if (code === 4440) sessionStorage.removeItem(key);
    part('state').textContent = 'Connecting again …';
    setTimeout(connect, pause * (0.5 + Math.random()));
    pause = Math.min(pause * 2, 15_000);
  };
}

function show(text, isLive) {
  part('state').textContent = text;
  part('live').hidden = !isLive;
  part('login').hidden = isLive;
}

connect();
