/* Topics: subscriptions, and one call per publication however many it goes to. */
#include <uv.h>

#include "environment.h"

extern "C" {
#include "net/server.h"
#include "net/transport.h"
#include "topics/group.h"
#include "topics/publish.h"
#include "topics/topics.h"
#include "websocket/connection.h"
}

namespace {

enum { OPCODE_MASK = 0xf };

/* A name as its UTF-16 code units: what is one string in JS is one topic, and nothing else is. */
struct Name {
  char16_t units[LWSN_TOPIC_NAME_MAX / sizeof(char16_t) + 1];
  size_t size;

  Name(napi_env env, napi_value value) {
    size_t length = 0;
    napi_get_value_string_utf16(env, value, units, sizeof units / sizeof *units, &length);
    size = length * sizeof(char16_t);
  }
  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(units); }
};

lwsn_handle HandleAt(napi_env env, const napi_value* argv) {
  lwsn_handle handle = {0, 0};
  napi_get_value_uint32(env, argv[0], &handle.slot);
  napi_get_value_uint32(env, argv[1], &handle.generation);
  return handle;
}

/* The transport of an open connection, or null. */
lwsn_transport* OpenTransport(lwsn_context* context, lwsn_handle handle) {
  lwsn_transport* t = lwsn_registry_get(&context->services.registry, handle);
  return t && !t->doomed && t->connection && lwsn_connection_may_send(t->connection) ? t : nullptr;
}

/* A sealed frame of a string or of bytes; null: no memory. */
lwsn_shared_frame* FrameOf(napi_env env, napi_value data, uint32_t opcode) {
  napi_valuetype type;
  napi_typeof(env, data, &type);
  size_t size = 0;
  void* bytes = nullptr;
  if (type == napi_string)
    napi_get_value_string_utf8(env, data, nullptr, 0, &size);
  else
    napi_get_typedarray_info(env, data, nullptr, &size, &bytes, nullptr, nullptr);
  lwsn_shared_frame* frame = lwsn_shared_frame_create(size);
  if (!frame) return nullptr;
  uint8_t* payload = lwsn_shared_frame_payload(frame);
  if (type == napi_string)
    napi_get_value_string_utf8(env, data, reinterpret_cast<char*>(payload), size + 1, &size);
  else if (size > 0)
    memcpy(payload, bytes, size);
  lwsn_shared_frame_seal(frame, opcode & OPCODE_MASK);
  return frame;
}

napi_value NumberOf(napi_env env, double number) {
  napi_value result;
  napi_create_double(env, number, &result);
  return result;
}

/* subscribe(slot, generation, topic): the subscription, 0 without memory, -1 where it is not open */
napi_value Subscribe(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  size_t argc = 3;
  void* environment;
  napi_get_cb_info(env, info, &argc, argv, nullptr, &environment);
  lwsn_context* context = static_cast<Environment*>(environment)->context;
  lwsn_transport* t = OpenTransport(context, HandleAt(env, argv));
  if (!t) return NumberOf(env, -1);
  Name name(env, argv[2]);
  return NumberOf(env, lwsn_topics_join(t, name.bytes(), name.size));
}

/* unsubscribe(slot, generation, subscription) */
napi_value Unsubscribe(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  size_t argc = 3;
  void* environment;
  napi_get_cb_info(env, info, &argc, argv, nullptr, &environment);
  lwsn_context* context = static_cast<Environment*>(environment)->context;
  lwsn_transport* t = lwsn_registry_get(&context->services.registry, HandleAt(env, argv));
  uint32_t subscription = 0;
  napi_get_value_uint32(env, argv[2], &subscription);
  if (t) lwsn_topics_leave(t, subscription);
  return nullptr;
}

/* publish(server, slot, generation, topic, data, opcode): how many took it, -1 without memory */
napi_value Publish(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  size_t argc = 6;
  void* environment;
  napi_get_cb_info(env, info, &argc, argv, nullptr, &environment);
  int64_t id = 0;
  uint32_t opcode = 0;
  napi_get_value_int64(env, argv[0], &id);
  napi_get_value_uint32(env, argv[5], &opcode);
  lwsn_server* server =
      lwsn_server_find(&static_cast<Environment*>(environment)->context->services, static_cast<uint64_t>(id));
  Name name(env, argv[3]);
  if (!server || !lwsn_group_is_heard(server, name.bytes(), name.size)) return NumberOf(env, 0);
  lwsn_shared_frame* frame = FrameOf(env, argv[4], opcode);
  if (!frame) return NumberOf(env, -1);
  int64_t taken = lwsn_group_publish(server, name.bytes(), name.size, HandleAt(env, argv + 1), frame,
                                     (opcode & LWSN_OUT_PLAIN) != 0);
  lwsn_shared_frame_unref(frame);
  return NumberOf(env, static_cast<double>(taken));
}

/* subscribers(server, topic) */
Napi::Value Subscribers(const Napi::CallbackInfo& info) {
  lwsn_context* context = ContextOf(info);
  lwsn_server* server = context ? FindServer(context, info[0]) : nullptr;
  Name name(info.Env(), info[1]);
  return Napi::Number::New(info.Env(), server ? lwsn_subscribers(server, name.bytes(), name.size) : 0);
}

/* joinGroup(server, name): '' or an error code */
Napi::Value JoinGroup(const Napi::CallbackInfo& info) {
  lwsn_context* context = ContextOf(info);
  lwsn_server* server = context ? FindServer(context, info[0]) : nullptr;
  Name name(info.Env(), info[1]);
  int error = server ? lwsn_group_join(server, name.bytes(), name.size) : UV_EINVAL;
  return Napi::String::New(info.Env(), error ? uv_err_name(error) : "");
}

void Set(Environment* environment, Napi::Object exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(environment->env, name, NAPI_AUTO_LENGTH, function, environment, &value);
  exports.Set(name, Napi::Value(environment->env, value));
}

}  // namespace

void RegisterTopics(Environment* environment, Napi::Object exports) {
  Set(environment, exports, "subscribe", Subscribe);
  Set(environment, exports, "unsubscribe", Unsubscribe);
  Set(environment, exports, "publish", Publish);
  exports.Set("subscribers", Napi::Function::New(environment->env, Subscribers, "subscribers", environment));
  exports.Set("joinGroup", Napi::Function::New(environment->env, JoinGroup, "joinGroup", environment));
}
