#include "net/tls_io.h"

#include <stdlib.h>
#include <string.h>

#include "net/output.h"

/* What was gathered, then these bytes, in one call. */
static bool send_with(lwsn_tls_io *io, const void *data, size_t size) {
  struct iovec parts[2] = {{io->out, io->out_size}, {(void *)data, size}};
  int first = io->out_size > 0 ? 0 : 1;
  io->out_size = 0;
  return lwsn_output_send(io->t, parts + first, NULL, (size > 0 ? 2 : 1) - first);
}

/* A record. The last one of a flush, and what a full socket queues anyway, goes out of where OpenSSL wrote it. */
static int write_record(BIO *bio, const char *data, size_t size, size_t *written) {
  lwsn_tls_io *io = BIO_get_data(bio);
  *written = size; /* a socket that failed has doomed the transport, which OpenSSL need not know */
  BIO_clear_retry_flags(bio);
  if (io->last || io->t->queue.first || size > sizeof io->out - io->out_size) {
    send_with(io, data, size);
  } else {
    memcpy(io->out + io->out_size, data, size);
    io->out_size += size;
  }
  return 1;
}

static int read_input(BIO *bio, char *into, size_t room, size_t *got) {
  lwsn_tls_io *io = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (io->in_size == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  *got = room < io->in_size ? room : io->in_size;
  memcpy(into, io->in, *got);
  io->in += *got;
  io->in_size -= *got;
  return 1;
}

static long control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_method(void) {
  /* of no index: a process has 127 of them, none is given back, and workers come and go */
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "lwsn");
  if (method && BIO_meth_set_write_ex(method, write_record) && BIO_meth_set_read_ex(method, read_input) &&
      BIO_meth_set_ctrl(method, control))
    return method;
  BIO_meth_free(method);
  return NULL;
}

lwsn_tls_io *lwsn_tls_io_of(lwsn_services *services) {
  if (services->tls_io) return services->tls_io;
  lwsn_tls_io *io = malloc(sizeof *io);
  if (!io) return NULL;
  memset(io, 0, offsetof(lwsn_tls_io, joined)); /* the buffers are touched when they are used */
  io->method = make_method();
  io->bio = io->method ? BIO_new(io->method) : NULL;
  if (!io->bio) {
    lwsn_tls_io_free(io);
    return NULL;
  }
  BIO_set_data(io->bio, io);
  BIO_set_init(io->bio, 1);
  services->tls_io = io;
  return io;
}

void lwsn_tls_io_free(lwsn_tls_io *io) {
  if (!io) return;
  BIO_free(io->bio);
  BIO_meth_free(io->method);
  free(io);
}

bool lwsn_tls_io_flush(lwsn_tls_io *io) {
  if (io->out_size > 0) send_with(io, NULL, 0);
  return !io->t->doomed;
}
