#include "environment.h"

extern "C" {
#include "lws/door.h"
}

namespace {

void Finished(void* data) {
  auto* environment = static_cast<Environment*>(data);
  napi_async_cleanup_hook_handle hook = environment->hook;
  delete environment;
  napi_remove_async_cleanup_hook(hook);
}

/* The environment ends: no JS runs any more, native state is released in full. */
void OnCleanup(napi_async_cleanup_hook_handle hook, void* data) {
  auto* environment = static_cast<Environment*>(data);
  environment->hook = hook;
  environment->on_batch.Reset();
  environment->mark_shared.Reset();
  environment->transfer.Reset();
  environment->slabs.Reset();
  environment->async_context.reset();
  environment->async_resource.Reset();
  if (environment->context)
    lwsn_context_destroy(environment->context, Finished, environment);
  else
    Finished(environment);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  /* process-wide, and the same value from every environment (performance 4) */
  lwsn_door_silence();
  auto* environment = new Environment(env);
  if (napi_add_async_cleanup_hook(env, OnCleanup, environment, &environment->hook) != napi_ok) {
    delete environment;
    ThrowNative(env, "the environment is ending");
    return exports;
  }
  RegisterCrossing(environment, exports);
  RegisterServers(environment, exports);
  RegisterMemory(environment, exports);
  RegisterTls(environment, exports);
  RegisterTopics(environment, exports);
  RegisterAdoption(environment, exports);
  exports.Set("version", Napi::String::New(env, LWSN_VERSION));
  exports.Set("lwsVersion", Napi::String::New(env, lwsn_door_version()));
  return exports;
}

}  // namespace

lwsn_context* ContextOf(const Napi::CallbackInfo& info) {
  lwsn_context* context = EnvironmentOf(info)->context;
  if (!context) ThrowNative(info.Env(), "start() was not called");
  return context;
}

void ThrowNative(Napi::Env env, const std::string& message) {
  if (!env.IsExceptionPending()) Napi::Error::New(env, message).ThrowAsJavaScriptException();
}

NODE_API_MODULE(lws, Init)
