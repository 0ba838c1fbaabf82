/* Servers and their listeners. */
#include <uv.h>

#include <string>

#include "environment.h"

extern "C" {
#include "context/servers.h"
#include "net/listener.h"
#include "net/transports.h"
#include "topics/group.h"
#include "topics/topics.h"
#include "websocket/speech.h"
}

lwsn_server* FindServer(lwsn_context* context, const Napi::Value& id) {
  return lwsn_server_find(&context->services, static_cast<uint64_t>(id.As<Napi::Number>().Int64Value()));
}

namespace {

lwsn_server* ServerOf(const Napi::CallbackInfo& info) {
  lwsn_context* context = ContextOf(info);
  if (!context) return nullptr;
  lwsn_server* server = FindServer(context, info[0]);
  if (!server) ThrowNative(info.Env(), "no such server");
  return server;
}

/* createServer(options): id. The order of the numbers is that of lwsn_server_options. */
Napi::Value CreateServer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_context* context = ContextOf(info);
  if (!context) return env.Undefined();
  auto numbers = info[0].As<Napi::Float64Array>();
  const double* n = numbers.Data();
  lwsn_server_options options = {};
  options.max_payload = n[0];
  options.ping_interval = static_cast<uint32_t>(n[1]);
  options.idle_timeout = static_cast<uint32_t>(n[2]);
  options.handshake_timeout = static_cast<uint32_t>(n[3]);
  options.close_timeout = static_cast<uint32_t>(n[4]);
  options.keep_alive_timeout = static_cast<uint32_t>(n[5]);
  options.max_header_size = static_cast<uint32_t>(n[6]);
  options.max_connections = static_cast<uint32_t>(n[7]);
  options.max_connections_per_address = static_cast<uint32_t>(n[8]);
  options.deflate_threshold = static_cast<uint32_t>(n[9]);
  options.proxy_protocol = n[10] != 0;
  options.accepts_alone = n[11] != 0;
  options.tells_closed = n[12] != 0;
  options.accept_flags = static_cast<uint32_t>(n[13]);
  options.busy_poll = static_cast<uint32_t>(n[14]);
  options.max_backpressure = n[15];
  options.drops_overflow = n[16] != 0;
  lwsn_server* server = lwsn_server_create(&context->services, &options);
  if (!server) {
    ThrowNative(env, "out of memory");
    return env.Undefined();
  }
  return Napi::Number::New(env, static_cast<double>(server->id));
}

/* listen(id, host | null, path | null, port, backlog, v6Only, reusePort): [family, port], or an error code */
Napi::Value Listen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_server* server = ServerOf(info);
  if (!server) return env.Undefined();
  std::string host = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : std::string();
  std::string path = info[2].IsString() ? info[2].As<Napi::String>().Utf8Value() : std::string();
  lwsn_listen_options options = {};
  options.host = info[1].IsString() ? host.c_str() : nullptr;
  options.path = info[2].IsString() ? path.c_str() : nullptr;
  options.port = static_cast<uint16_t>(info[3].As<Napi::Number>().Uint32Value());
  options.backlog = info[4].As<Napi::Number>();
  options.v6_only = info[5].As<Napi::Boolean>();
  options.reuse_port = info[6].As<Napi::Boolean>();
  lwsn_bound bound;
  int error = lwsn_listener_open(server, &options, &bound);
  if (error != 0) return Napi::String::New(env, uv_err_name(error));
  Napi::Array result = Napi::Array::New(env, 2);
  result.Set(0u, Napi::Number::New(env, bound.family));
  result.Set(1u, Napi::Number::New(env, bound.port));
  return result;
}

/* stopListening(id) */
void StopListening(const Napi::CallbackInfo& info) {
  lwsn_server* server = ServerOf(info);
  if (!server) return;
  lwsn_listener_empty_all(server);
  lwsn_listener_close_all(server);
}

/* reference(id, on) */
void Reference(const Napi::CallbackInfo& info) {
  if (lwsn_server* server = ServerOf(info)) lwsn_listener_ref_all(server, info[1].As<Napi::Boolean>());
}

/* retire(id): idle transports end, the others after their response; more may come */
void Retire(const Napi::CallbackInfo& info) {
  if (lwsn_server* server = ServerOf(info)) lwsn_server_retire(server);
}

/* drain(id): idle transports end, the others after their response */
void Drain(const Napi::CallbackInfo& info) {
  if (lwsn_server* server = ServerOf(info)) lwsn_server_drain(server);
}

/* killAll(id): every transport of the server is closed now */
void KillAll(const Napi::CallbackInfo& info) {
  lwsn_server* server = ServerOf(info);
  if (!server) return;
  lwsn_outbound_flush(lwsn_context_of(server->services));
  lwsn_server_kill_all(server);
  lwsn_outbound_flush(lwsn_context_of(server->services));
}

/* releaseServer(id): nothing of it is left afterwards */
void ReleaseServer(const Napi::CallbackInfo& info) {
  lwsn_server* server = ServerOf(info);
  if (!server) return;
  lwsn_context* context = lwsn_context_of(server->services);
  lwsn_outbound_flush(context);
  lwsn_server_release(server);
  lwsn_outbound_flush(context);
}

void AppendIntroduced(lwsn_handle handle, bool closing, const lwsn_peer* peer, const lwsn_introduction* introduction,
                      void* data) {
  auto* list = static_cast<Napi::Array*>(data);
  Napi::Env env = list->Env();
  std::string bytes(reinterpret_cast<const char*>(peer), sizeof *peer);
  bytes.append(introduction->head, introduction->size);
  Napi::Array one = Napi::Array::New(env, 4);
  one.Set(0u, Napi::Number::New(env, handle.slot));
  one.Set(1u, Napi::Number::New(env, handle.generation));
  one.Set(2u, Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size()));
  one.Set(3u, Napi::Boolean::New(env, closing));
  list->Set(list->Length(), one);
}

/* introduce(id): [slot, generation, peer and head, closing] of each connection not told of yet */
Napi::Value Introduce(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  if (lwsn_server* server = ServerOf(info)) lwsn_introduce_all(server, AppendIntroduced, &list);
  return list;
}

/* unknown(id): how many introduce() would tell of */
Napi::Value Unknown(const Napi::CallbackInfo& info) {
  lwsn_server* server = ServerOf(info);
  return Napi::Number::New(info.Env(), server ? server->unknown : 0);
}

/* stats(id, numbers): fills in the order of lwsn_server_stats */
void Stats(const Napi::CallbackInfo& info) {
  lwsn_server* server = ServerOf(info);
  if (!server) return;
  lwsn_outbound_flush(lwsn_context_of(server->services));
  auto numbers = info[1].As<Napi::Float64Array>();
  double* n = numbers.Data();
  const lwsn_server_stats& s = server->stats;
  const uint64_t values[] = {s.accepted,
                             s.refused,
                             s.requests,
                             s.opened,
                             s.closed,
                             s.messages_received,
                             s.messages_sent,
                             s.bytes_received,
                             s.bytes_sent,
                             s.transports,
                             s.connections,
                             server->topics ? server->topics->count : 0,
                             server->topics ? server->topics->subscription_count : 0,
                             lwsn_group_lost(server)};
  for (size_t i = 0; i < sizeof values / sizeof *values && i < numbers.ElementLength(); i++)
    n[i] = static_cast<double>(values[i]);
}

}  // namespace

void RegisterServers(Environment* environment, Napi::Object exports) {
  Napi::Env env = environment->env;
  exports.Set("createServer", Napi::Function::New(env, CreateServer, "createServer", environment));
  exports.Set("listen", Napi::Function::New(env, Listen, "listen", environment));
  exports.Set("stopListening", Napi::Function::New(env, StopListening, "stopListening", environment));
  exports.Set("reference", Napi::Function::New(env, Reference, "reference", environment));
  exports.Set("retire", Napi::Function::New(env, Retire, "retire", environment));
  exports.Set("drain", Napi::Function::New(env, Drain, "drain", environment));
  exports.Set("killAll", Napi::Function::New(env, KillAll, "killAll", environment));
  exports.Set("releaseServer", Napi::Function::New(env, ReleaseServer, "releaseServer", environment));
  exports.Set("introduce", Napi::Function::New(env, Introduce, "introduce", environment));
  exports.Set("unknown", Napi::Function::New(env, Unknown, "unknown", environment));
  exports.Set("stats", Napi::Function::New(env, Stats, "stats", environment));
}
