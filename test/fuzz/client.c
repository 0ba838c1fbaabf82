/* A client's transport: the head of the answer, its body when it refuses, unmasked frames, and our side's acts. */
#include "acts.h"

void fuzz_client(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  conversation_settings settings = conversation_settings_of(&in);
  settings.client = true;
  settings.alone = false;
  settings.proxied = false;
  conversation c;
  conversation_begin(&c, &settings);
  acts_play(&c, &in);
  conversation_end(&c);
}
