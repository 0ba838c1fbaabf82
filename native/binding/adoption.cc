/* Sockets that Node made: taken in by descriptor. */
#include <uv.h>

#include <string>

#include "environment.h"

extern "C" {
#include "base/socket.h"
#include "net/adopt.h"
#include "net/server.h"
}

namespace {

Napi::Value HandleOrCode(Napi::Env env, int error, lwsn_handle handle) {
  if (error != 0) return Napi::String::New(env, uv_err_name(error));
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, handle.slot));
  result.Set(1u, Napi::Number::New(env, handle.generation));
  return result;
}

/* False: not an address of IPv4 or IPv6. */
bool ReadPeer(const std::string& address, int port, sockaddr_storage* peer) {
  return uv_ip4_addr(address.c_str(), port, reinterpret_cast<sockaddr_in*>(peer)) == 0 ||
         uv_ip6_addr(address.c_str(), port, reinterpret_cast<sockaddr_in6*>(peer)) == 0;
}

/* adopt(server, fd, input, address | null, port): [slot, generation], or an error code. The descriptor stays the
 * caller's to close; the address is that of the peer where the socket itself does not tell. */
Napi::Value Adopt(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_context* context = ContextOf(info);
  if (!context) return env.Undefined();
  lwsn_server* server = FindServer(context, info[0]);
  if (!server) return Napi::String::New(env, "EINVAL");
  auto input = info[2].As<Napi::Uint8Array>();
  sockaddr_storage peer = {};
  bool told = info[3].IsString();
  if (told && !ReadPeer(info[3].As<Napi::String>().Utf8Value(), info[4].As<Napi::Number>().Int32Value(), &peer))
    peer.ss_family = AF_UNSPEC;
  lwsn_handle handle = {0, 0};
  int error = lwsn_adopt_server(server, info[1].As<Napi::Number>(), told ? &peer : nullptr, input.Data(),
                                input.ByteLength(), &handle);
  return HandleOrCode(env, error, handle);
}

/* adoptClient(server, fd, host | null): as above */
Napi::Value AdoptClient(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_context* context = ContextOf(info);
  if (!context) return env.Undefined();
  lwsn_server* server = FindServer(context, info[0]);
  if (!server) return Napi::String::New(env, "EINVAL");
  std::string host = info[2].IsString() ? info[2].As<Napi::String>().Utf8Value() : std::string();
  lwsn_handle handle = {0, 0};
  int error =
      lwsn_adopt_client(server, info[1].As<Napi::Number>(), info[2].IsString() ? host.c_str() : nullptr, &handle);
  return HandleOrCode(env, error, handle);
}

/* socketPair(): [fd, fd] of connected unix sockets, both the caller's to close; or an error code */
Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int pair[2];
  if (lwsn_socket_pair(pair) != 0) return Napi::String::New(env, uv_err_name(uv_translate_sys_error(errno)));
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, pair[0]));
  result.Set(1u, Napi::Number::New(env, pair[1]));
  return result;
}

}  // namespace

void RegisterAdoption(Environment* environment, Napi::Object exports) {
  Napi::Env env = environment->env;
  exports.Set("adopt", Napi::Function::New(env, Adopt, "adopt", environment));
  exports.Set("adoptClient", Napi::Function::New(env, AdoptClient, "adoptClient", environment));
  exports.Set("socketPair", Napi::Function::New(env, SocketPair, "socketPair", environment));
}
