// Clients that keep the server busy.

/** Browsers open no more than about 250 WebSockets to one server. */
const MOST = 200;
const PAUSE = 100;

/** @param {(clients: number) => void} changed told whenever their number changes */
export function createLoad(url, changed) {
  const clients = new Set();

  function speak(socket) {
    if (socket.readyState === WebSocket.OPEN) socket.send('x'.repeat(20 + Math.floor(Math.random() * 200)));
  }

  function open() {
    const socket = new WebSocket(url);
    clients.add(socket);
    let timer;
    socket.onopen = () => {
      timer = setInterval(speak, PAUSE, socket);
    };
    socket.onclose = () => {
      clearInterval(timer);
      clients.delete(socket);
      changed(clients.size);
    };
  }

  return {
    most: MOST,
    add(count) {
      for (let i = 0; i < count && clients.size < MOST; i++) open();
      changed(clients.size);
    },
    clear() {
      for (const socket of clients) socket.close();
    },
  };
}
