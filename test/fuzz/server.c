/* A server's transport: request heads and bodies, PROXY headers, the upgrade, frames, and our side's acts between them. */
#include "acts.h"

void fuzz_server(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  conversation_settings settings = conversation_settings_of(&in);
  if (settings.proxied) settings.upgraded = false;
  conversation c;
  conversation_begin(&c, &settings);
  acts_play(&c, &in);
  conversation_end(&c);
}
