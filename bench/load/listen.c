/* The other role: the process that is measured connects to us. We still begin every exchange of messages.
 * The port goes to stdout; who was started with it, as a process id, comes from stdin. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load.h"

bool listen_begin(struct load *load) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  load->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (load->listener < 0 || bind(load->listener, (struct sockaddr *)&address, length) || listen(load->listener, 1024) ||
      getsockname(load->listener, (struct sockaddr *)&address, &length))
    return load_fail(load, "listen: %s", strerror(errno));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load->listener};
  if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->listener, &event))
    return load_fail(load, "epoll_ctl: %s", strerror(errno));
  printf("{\"port\":%u}\n", ntohs(address.sin_port));
  fflush(stdout);
  int pid;
  if (scanf("%d", &pid) != 1 || pid < 1) return load_fail(load, "listen: expected the client's process id on stdin");
  load->options.pid = pid;
  return true;
}

bool listen_event(struct load *load) {
  int fd = accept4(load->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return errno == EAGAIN || errno == EINTR || load_fail(load, "accept: %s", strerror(errno));
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (load->open + load->opening == load->options.connections)
    return load_fail(load, "the client opened more than %u connections", load->options.connections);
  return conn_accept(load, &load->conns[load->accepted++], fd);
}
