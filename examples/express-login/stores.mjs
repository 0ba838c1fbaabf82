// Both kinds of sessions in one Redis: the processes of this program share them, and a restart loses none.
import { RedisStore } from 'libwebsockets/redis';
import { createClient } from 'redis';

export async function openStores(url) {
  const client = createClient({ url });
  client.on('error', (error) => console.error(`Redis: ${error.message}`));
  await client.connect();
  return {
    http: new RedisStore({ client, prefix: 'example-http:' }),
    live: new RedisStore({ client, prefix: 'example-live:' }),
    close: () => client.destroy(),
  };
}
