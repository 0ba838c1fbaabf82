// What a tab and the server say to each other: JSON texts with a `kind`.

export function onOpen(connection, session) {
  const { id, userId, resumed, attributes } = session;
  // The tab keeps the id and presents it after a reload: then it gets this session again.
  connection.send(
    JSON.stringify({ kind: 'hello', session: id, user: userId, resumed, clicks: attributes.clicks }),
  );
}

export async function onMessage(sessions, connection, text, session) {
  if (text === 'click') {
    const { clicks } = await session.update((attributes) => {
      attributes.clicks++;
    });
    connection.send(JSON.stringify({ kind: 'clicks', clicks }));
    const tabs = await sessions.byUser(session.userId);
    const total = tabs.reduce((sum, tab) => sum + tab.attributes.clicks, 0);
    await sessions.send(
      { user: session.userId },
      JSON.stringify({ kind: 'total', total, tabs: tabs.length }),
    );
  } else {
    connection.close(1008, 'only "click" is understood');
  }
}
