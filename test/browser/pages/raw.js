// What the tests ask of Chromium's own WebSocket; they call these functions by name.
const sockets = new Map();
let made = 0;

/** Opens one and returns how that went, with a key for the other functions. */
globalThis.openSocket = (url, protocols = []) =>
  new Promise((resolve) => {
    const socket = new WebSocket(url, protocols);
    socket.binaryType = 'arraybuffer';
    made += 1;
    const entry = { socket, received: [], wake: undefined };
    entry.ended = new Promise((ended) => {
      socket.addEventListener('close', ({ code, reason, wasClean }) => {
        ended({ code, reason, wasClean });
        resolve({ opened: false, code });
      });
    });
    socket.addEventListener('message', ({ data }) => {
      entry.received.push(data);
      entry.wake?.();
    });
    const key = made;
    sockets.set(key, entry);
    socket.addEventListener('open', () =>
      resolve({ opened: true, key, protocol: socket.protocol, extensions: socket.extensions }),
    );
  });

globalThis.closeSocket = (key, ...args) => sockets.get(key).socket.close(...args);
globalThis.socketEnd = (key) => sockets.get(key).ended;
globalThis.sendText = (key, text) => sockets.get(key).socket.send(text);
globalThis.sendTexts = (key, text, count) => {
  for (let i = 0; i < count; i++) sockets.get(key).socket.send(text);
};
globalThis.sendZeros = (key, size) => sockets.get(key).socket.send(new Uint8Array(size));

async function next(key) {
  const entry = sockets.get(key);
  while (entry.received.length === 0)
    await new Promise((wake) => {
      entry.wake = wake;
    });
  return entry.received.shift();
}

globalThis.nextText = next;

/** Bytes that differ from their neighbours and from those one packet, page or ring further. */
function pattern(size) {
  const bytes = new Uint8Array(size);
  let state = 0x9e3779b9 ^ size;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Sends a pattern as binary and says whether the same came back. */
globalThis.echoBinary = async (key, size, asBlob = false) => {
  const bytes = pattern(size);
  sockets.get(key).socket.send(asBlob ? new Blob([bytes]) : bytes);
  const back = await next(key);
  if (!(back instanceof ArrayBuffer)) return { kind: typeof back };
  const same = (await digest(back)) === (await digest(bytes));
  return { kind: 'binary', size: back.byteLength, same };
};

globalThis.echoText = async (key, text) => {
  sockets.get(key).socket.send(text);
  return next(key);
};

/** A text of so many characters, among them such of two, three and four bytes. */
globalThis.echoLongText = async (key, characters) => {
  const text = 'aß€😀'.repeat(Math.ceil(characters / 4));
  sockets.get(key).socket.send(text);
  return (await next(key)) === text;
};

/** Sends so many numbers at once and says whether they came back in order. */
globalThis.echoMany = async (key, count) => {
  const { socket } = sockets.get(key);
  for (let i = 0; i < count; i++) socket.send(`message ${i}`);
  for (let i = 0; i < count; i++) {
    const text = await next(key);
    if (text !== `message ${i}`) return `expected message ${i} but got ${text}`;
  }
  return 'in order';
};

/** Size and digest of the next message, which is binary. */
globalThis.nextDigest = async (key) => {
  const bytes = await next(key);
  return { size: bytes.byteLength, digest: await digest(bytes) };
};

/** Sends a pattern and returns its digest. */
globalThis.sendPattern = async (key, size) => {
  const bytes = pattern(size);
  sockets.get(key).socket.send(bytes);
  return digest(bytes);
};
