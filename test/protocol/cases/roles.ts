import { type CloseInfo, connect as connectTo } from '../../../lib/index.js';
import { rawServer } from '../../client/helpers/raw-server.js';
import { type Frame, Opcode, readClose } from '../../helpers/frames.js';
import type { RawClient } from '../../helpers/raw-client.js';
import { type Recorder, recorder, startServer, turnUntil } from '../../helpers/server.js';
import { type Case, type End, type Peer, peerOf } from './case.js';

/** What came of the input of a case. */
export interface Outcome {
  messages: (string | Buffer)[];
  pongs: string[];
  heard: string[];
  end: End | 'no close frame';
}

export const deliveries = ['in one write', 'frame by frame', 'byte by byte'] as const;
export type Delivery = (typeof deliveries)[number];

/** Inputs above this do not come byte by byte, but in about so many pieces. */
const PIECES = 1500;

function cut(input: Buffer[], delivery: Delivery): Buffer[] {
  if (delivery === 'frame by frame') return input;
  const all = Buffer.concat(input);
  if (delivery === 'in one write') return [all];
  const size = Math.ceil(all.length / PIECES);
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
    all.subarray(i * size, (i + 1) * size),
  );
}

const SENTINEL = 'still open';

function inputOf(one: Case, peer: Peer): Buffer[] {
  const input = one.input(peer);
  if (one.end === undefined) return [...input, peer.ping(SENTINEL), peer.close(1000)];
  return one.partial ? input : [...input, peer.text('too late')];
}

/** What nobody may send without being asked (RFC 6455 5.1, 5.2). */
function checkForm(frames: Frame[], masked: boolean): void {
  for (const frame of frames)
    if (frame.masked !== masked || !frame.fin || frame.rsv !== 0)
      throw new Error(
        `Expected final frames ${masked ? 'with' : 'without'} mask, without reserved bits, but got ${JSON.stringify(frame)}`,
      );
}

function endOf(frames: Frame[], told: CloseInfo): Outcome['end'] {
  const last = frames.at(-1);
  if (last?.opcode !== Opcode.CLOSE) return 'no close frame';
  const sent = readClose(last);
  if (told.code === 1006) {
    if (told.clean || told.reason === '')
      throw new Error(`Expected a reason for 1006 but got ${JSON.stringify(told)}`);
    return { failsWith: sent.code };
  }
  if (!told.clean || told.code !== sent.code)
    throw new Error(`Sent close code ${sent.code} but told ${JSON.stringify(told)}`);
  const asked = frames.some((frame) => frame.opcode === Opcode.PONG && frame.payload.toString() === SENTINEL);
  return asked ? 'open' : { closesWith: told.code, reason: told.reason };
}

/** Every frame up to the close frame; then the peer ends TCP, and nothing may follow. */
async function framesOf(peer: RawClient): Promise<Frame[]> {
  const frames: Frame[] = [];
  while (frames.at(-1)?.opcode !== Opcode.CLOSE) {
    const frame = await peer.frame().catch(() => undefined);
    if (frame === undefined) break;
    frames.push(frame);
  }
  peer.end();
  return [...frames, ...(await peer.framesToEnd())];
}

async function outcomeOf(peer: RawClient, record: Recorder, masked: boolean): Promise<Outcome> {
  const frames = await framesOf(peer);
  const told = await record.closed.next();
  checkForm(frames, masked);
  const pongs = frames
    .filter((frame) => frame.opcode === Opcode.PONG)
    .map((frame) => frame.payload.toString());
  return {
    messages: [...record.messages.all],
    pongs: pongs.filter((payload) => payload !== SENTINEL),
    heard: [...record.pongs.all],
    end: endOf(frames, told),
  };
}

const deflated = (parameters: string) => ({ 'Sec-WebSocket-Extensions': `permessage-deflate${parameters}` });

/** Runs a case with us as the server. */
async function asServer(one: Case, delivery: Delivery, perMessageDeflate: boolean): Promise<Outcome> {
  const record = recorder();
  const { server, connect } = await startServer({ ...record.handlers, ...one.limits, perMessageDeflate });
  const peer = await connect();
  const answer = await peer.handshake({ headers: perMessageDeflate ? deflated('') : {} });
  if (perMessageDeflate !== (answer.header('sec-websocket-extensions') !== undefined))
    throw new Error('Expected permessage-deflate exactly where it was asked for');
  let expected = server.stats().bytesReceived;
  for (const piece of cut(inputOf(one, peerOf('client')), delivery)) {
    peer.write(piece);
    expected += piece.length;
    /* each piece is read before the next one comes */
    await turnUntil(() => server.stats().bytesReceived >= expected || peer.isEnded);
  }
  return outcomeOf(peer, record, false);
}

/** Runs a case with us as the client. */
async function asClient(one: Case, delivery: Delivery, perMessageDeflate: boolean): Promise<Outcome> {
  const record = recorder();
  const agreed = perMessageDeflate ? deflated('; server_no_context_takeover') : {};
  const { url, asked } = await rawServer((request) => request.accept(agreed));
  await connectTo(url, { ...record.handlers, ...one.limits, perMessageDeflate });
  const { peer } = await asked.next();
  for (const piece of cut(inputOf(one, peerOf('server')), delivery)) {
    peer.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return outcomeOf(peer, record, true);
}

export const roles = { server: asServer, client: asClient };
