/* The crossing: batches to JS, the flush and large payloads from JS. */
#include <uv.h>

#include <cstring>

#include "environment.h"
#include "shown.h"

extern "C" {
#include "context/flush.h"
}

namespace {

/*
 * V8 starts a scavenge over young backing stores only when it allocates one
 * itself; without this about a hundred slabs circulate instead of forty.
 */
void InviteScavenge(Environment* environment, size_t exported) {
  environment->exported_bytes += exported;
  if (environment->exported_bytes < LWSN_LARGE_SLAB) return;
  environment->exported_bytes = 0;
  napi_env env = environment->env;
  void* data;
  napi_value ignored;
  napi_create_arraybuffer(env, 8, &data, &ignored);
}

Napi::Value ExportSlab(Environment* environment, lwsn_slab* slab) {
  napi_value buffer = ShowSlab(environment, slab);
  if (!buffer) return environment->env.Undefined();
  if (slab->shown) InviteScavenge(environment, slab->size);
  return Napi::Value(environment->env, buffer);
}

/* Shows JS the slabs this batch refers to, and takes away those that are gone. */
void SyncSlabs(Environment* environment, lwsn_inbound* inbound) {
  size_t count = inbound->table_used;
  if (count < environment->exported.size()) count = environment->exported.size();
  environment->exported.resize(count, nullptr);
  Napi::Array slabs;
  for (uint32_t i = 0; i < count; i++) {
    lwsn_slab* slab = i < inbound->table_used ? inbound->table[i] : nullptr;
    if (slab == environment->exported[i] && (!slab || slab->shown)) continue;
    if (slabs.IsEmpty()) slabs = environment->slabs.Value();
    slabs.Set(i, slab ? ExportSlab(environment, slab) : environment->env.Undefined());
    environment->exported[i] = slab;
  }
  environment->exported.resize(inbound->table_used);
}

/*
 * A large message has memory of its own, which is its reader's alone from now on:
 * an idle server would keep it until the next batch.
 */
void ForgetOwn(Environment* environment, const lwsn_inbound* inbound) {
  if (inbound->overflow_count > 0) return; /* a record of the next batch may refer to it */
  for (uint32_t i = 0; i < environment->exported.size(); i++) {
    const lwsn_slab* slab = environment->exported[i];
    if (!slab || slab->size <= LWSN_LARGE_SLAB) continue;
    napi_env env = environment->env;
    napi_set_element(env, environment->slabs.Value(), i, environment->env.Undefined());
    environment->exported[i] = nullptr;
  }
}

/*
 * The context of batches. start() may be called inside somebody's, who made the first server; here, in a callback of
 * uv, no JavaScript is on the stack and there is none. Node holds the resource weakly: it is kept here.
 */
void LeaveContexts(Environment* environment) {
  Napi::Env env = environment->env;
  environment->async_resource = Napi::Persistent(Napi::Object::New(env));
  environment->async_context =
      std::make_unique<Napi::AsyncContext>(env, "libwebsockets", environment->async_resource.Value());
}

/* Once per turn. Ticks and microtasks run when the callback scope closes, so after the batch. */
void OnBatch(lwsn_context* context, void* data) {
  auto* environment = static_cast<Environment*>(data);
  Napi::Env env = environment->env;
  Napi::HandleScope scope(env);
  SyncSlabs(environment, &context->services.inbound);
  if (!environment->async_context) LeaveContexts(environment);
  napi_value count = Napi::Number::New(env, context->services.inbound.count);
  environment->on_batch.MakeCallback(env.Global(), {count}, *environment->async_context);
  ForgetOwn(environment, &context->services.inbound);
  /* lib catches what handlers throw; what is left belongs to the process */
  if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
}

void OnTurn(void* environment) { LeaveAtTheEnd(static_cast<Environment*>(environment)); }

/* start(onBatch, slabs, copies, markShared, transfer): { records, out, queued } */
Napi::Value Start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment* environment = EnvironmentOf(info);
  if (environment->context) {
    ThrowNative(env, "start() was called twice");
    return env.Undefined();
  }
  uv_loop_t* loop;
  const char* why = "the environment has no event loop";
  if (napi_get_uv_event_loop(env, &loop) == napi_ok)
    environment->context = lwsn_context_create(loop, OnBatch, environment, &why);
  if (!environment->context) {
    ThrowNative(env, why);
    return env.Undefined();
  }
  environment->on_batch = Napi::Persistent(info[0].As<Napi::Function>());
  environment->slabs = Napi::Reference<Napi::Array>::New(info[1].As<Napi::Array>(), 1);
  environment->copies = info[2].As<Napi::Boolean>();
  environment->mark_shared = Napi::Persistent(info[3].As<Napi::Function>());
  if (info[4].IsFunction()) environment->transfer = Napi::Persistent(info[4].As<Napi::Function>());
  lwsn_context* context = environment->context;
  context->services.inbound.is_gone = IsGone;
  context->on_turn = OnTurn;
  Napi::Object shared = Napi::Object::New(env);
  shared.Set("records", Napi::Value(env, ShowRegion(environment, context->services.inbound.ring)));
  shared.Set("out", Napi::Value(env, ShowRegion(environment, context->chain.ring)));
  shared.Set("queued", Napi::Value(env, ShowRegion(environment, context->services.registry.queued)));
  return shared;
}

/* flush() */
void Flush(const Napi::CallbackInfo& info) {
  if (lwsn_context* context = ContextOf(info)) lwsn_outbound_flush(context);
}

/* send(slot, generation, opcode, bytes): bytes that wait natively, or -1 */
napi_value Send(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t argc = 4;
  void* environment;
  napi_get_cb_info(env, info, &argc, argv, nullptr, &environment);
  lwsn_handle handle = {0, 0};
  uint32_t opcode = 0;
  void* data = nullptr;
  size_t size = 0;
  napi_get_value_uint32(env, argv[0], &handle.slot);
  napi_get_value_uint32(env, argv[1], &handle.generation);
  napi_get_value_uint32(env, argv[2], &opcode);
  napi_get_typedarray_info(env, argv[3], nullptr, &size, &data, nullptr, nullptr);
  double queued = lwsn_outbound_send(static_cast<Environment*>(environment)->context, handle, opcode,
                                     static_cast<const uint8_t*>(data), size);
  napi_value result;
  napi_create_double(env, queued, &result);
  return result;
}

/*
 * recover(slab, offset, length): a copy of payload bytes whose slab was detached
 * by its reader in the middle of a batch.
 */
Napi::Value Recover(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_context* context = ContextOf(info);
  if (!context) return env.Undefined();
  int32_t id = info[0].As<Napi::Number>();
  uint32_t offset = info[1].As<Napi::Number>();
  uint32_t length = info[2].As<Napi::Number>();
  lwsn_slab* slab = id >= 0 && id < LWSN_SLABS_MAX ? context->services.inbound.table[id] : nullptr;
  if (!slab || offset > slab->size || length > slab->size - offset) {
    ThrowNative(env, "no such payload");
    return env.Undefined();
  }
  lwsn_inbound_abandon(&context->services.inbound, id);
  return Napi::Buffer<uint8_t>::Copy(env, slab->data + offset, length);
}

/* memoryLeft(): bytes that environments of this process left to others */
Napi::Value MemoryLeft(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(BytesLeft()));
}

}  // namespace

void RegisterCrossing(Environment* environment, Napi::Object exports) {
  Napi::Env env = environment->env;
  exports.Set("start", Napi::Function::New(env, Start, "start", environment));
  exports.Set("flush", Napi::Function::New(env, Flush, "flush", environment));
  exports.Set("recover", Napi::Function::New(env, Recover, "recover", environment));
  exports.Set("memoryLeft", Napi::Function::New(env, MemoryLeft, "memoryLeft", environment));
  napi_value send;
  napi_create_function(env, "send", NAPI_AUTO_LENGTH, Send, environment, &send);
  exports.Set("send", Napi::Value(env, send));
}
