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

/* Numbers and flags of an object by their names. One that is missing throws, and the rest reads as nothing. */
class Options {
public:
  explicit Options(Napi::Value given) : env_(given.Env()), given_(given.As<Napi::Object>()) {}

  double Number(const char* name) {
    Napi::Value value = given_.Get(name);
    if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
    if (!env_.IsExceptionPending()) ThrowNative(env_, std::string("no number for the native option ") + name);
    return 0;
  }

  uint32_t Whole(const char* name) { return static_cast<uint32_t>(Number(name)); }

  bool Flag(const char* name) {
    Napi::Value value = given_.Get(name);
    if (value.IsBoolean()) return value.As<Napi::Boolean>();
    if (!env_.IsExceptionPending()) ThrowNative(env_, std::string("no boolean for the native option ") + name);
    return false;
  }

  /* Empty for null. */
  std::string Text(const char* name) {
    Napi::Value value = given_.Get(name);
    if (value.IsString()) return value.As<Napi::String>().Utf8Value();
    if (!value.IsNull() && !env_.IsExceptionPending())
      ThrowNative(env_, std::string("no string for the native option ") + name);
    return {};
  }

private:
  Napi::Env env_;
  Napi::Object given_;
};

/* In the order of lwsn_server_options; the names are those of NativeOptions (lib/crossing/native.ts). */
lwsn_server_options ReadServerOptions(Options given) {
  lwsn_server_options options = {};
  options.max_payload = given.Number("maxPayload");
  options.ping_interval = given.Whole("pingInterval");
  options.idle_timeout = given.Whole("idleTimeout");
  options.handshake_timeout = given.Whole("handshakeTimeout");
  options.close_timeout = given.Whole("closeTimeout");
  options.keep_alive_timeout = given.Whole("keepAliveTimeout");
  options.max_header_size = given.Whole("maxHeaderSize");
  options.deflate_threshold = given.Whole("deflateThreshold");
  options.max_connections = given.Whole("maxConnections");
  options.max_connections_per_address = given.Whole("maxConnectionsPerAddress");
  options.busy_poll = given.Whole("busyPoll");
  options.accepts_alone = given.Flag("acceptsAlone");
  options.tells_closed = given.Flag("tellsClosed");
  options.accept_flags = given.Whole("acceptFlags");
  options.max_backpressure = given.Number("maxBackpressure");
  options.drops_overflow = given.Flag("dropsOverflow");
  options.proxy_protocol = given.Flag("proxyProtocol");
  return options;
}

/* createServer(options): id */
Napi::Value CreateServer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_context* context = ContextOf(info);
  if (!context) return env.Undefined();
  lwsn_server_options options = ReadServerOptions(Options(info[0]));
  if (env.IsExceptionPending()) return env.Undefined();
  lwsn_server* server = lwsn_server_create(&context->services, &options);
  if (!server) {
    ThrowNative(env, "out of memory");
    return env.Undefined();
  }
  return Napi::Number::New(env, static_cast<double>(server->id));
}

/* listen(id, where): the port, or an error code; the names are those of NativeAddress (lib/crossing/native.ts) */
Napi::Value Listen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_server* server = ServerOf(info);
  if (!server) return env.Undefined();
  Options given(info[1]);
  std::string host = given.Text("host"), path = given.Text("path");
  lwsn_listen_options options = {};
  options.host = host.empty() ? nullptr : host.c_str();
  options.path = path.empty() ? nullptr : path.c_str();
  options.port = static_cast<uint16_t>(given.Whole("port"));
  options.backlog = static_cast<int>(given.Whole("backlog"));
  options.v6_only = given.Flag("ipv6Only");
  options.reuse_port = given.Flag("reusePort");
  if (env.IsExceptionPending()) return env.Undefined();
  lwsn_bound bound;
  int error = lwsn_listener_open(server, &options, &bound);
  if (error != 0) return Napi::String::New(env, uv_err_name(error));
  return Napi::Number::New(env, bound.port);
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

/* stats(id): its counters by name, and what is there now */
Napi::Value Stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_server* server = ServerOf(info);
  if (!server) return env.Undefined();
  lwsn_outbound_flush(lwsn_context_of(server->services));
  const lwsn_server_stats& s = server->stats;
  Napi::Object stats = Napi::Object::New(env);
  auto set = [&](const char* name, uint64_t value) { stats.Set(name, static_cast<double>(value)); };
  set("accepted", s.accepted);
  set("refused", s.refused);
  set("requests", s.requests);
  set("opened", s.opened);
  set("closed", s.closed);
  set("messagesReceived", s.messages_received);
  set("messagesSent", s.messages_sent);
  set("bytesReceived", s.bytes_received);
  set("bytesSent", s.bytes_sent);
  set("transports", s.transports);
  set("connections", s.connections);
  set("topics", server->topics ? server->topics->count : 0);
  set("subscriptions", server->topics ? server->topics->subscription_count : 0);
  set("publicationsLost", lwsn_group_lost(server));
  return stats;
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
