/* A conversation whose course the input chooses: what comes from the far end, and what the other side asks for. */
#ifndef LWSN_FUZZ_ACTS_H
#define LWSN_FUZZ_ACTS_H

#include "conversation.h"

/* Plays all acts of the input. */
void acts_play(conversation *c, fuzz_input *in);

#endif
