// How often handlers do what, from calm rounds to violent ones: a word of test/hostile/acts.mjs and its weight.

const weights = (text) =>
  Object.fromEntries(
    text.match(/\w+ [\d.]+/g).map((entry) => [entry.split(' ')[0], Number(entry.split(' ')[1])]),
  );

export const tempers = {
  echo: weights('send 8, sendSome 2, nothing 3, keep 2, sendLater 1'),
  calm: weights(
    'send 10, sendSome 3, sendLarge 1, nothing 5, ping 1, keep 2, clone 1, touch 1, data 1, look 1, subscribe 1, ' +
      'publish 1, wantWritable 1, memory 1, pause 1, sendAndClose 0.3, watch 1',
  ),
  memory: weights(
    'send 4, nothing 2, keep 6, steal 4, clone 2, touch 3, gc 0.3, memory 2, sendSome 1, pause 1, ping 1',
  ),
  violent: weights(
    'send 4, sendSome 2, sendLarge 1, sendLater 1, sendWrong 1, ping 1, close 1, closeAndSend 0.5, sendAndClose 0.5, ' +
      'terminate 0.5, pause 2, wantWritable 1, subscribe 2, unsubscribe 1, publish 2, publishAll 1, throws 0.5, ' +
      'rejects 0.5, data 1, memory 1, keep 2, steal 1.5, clone 1, touch 1, gc 0.1, block 0.5, watch 1, look 1, ' +
      'other 1, nothing 2, closeServer 0.03',
  ),
};
