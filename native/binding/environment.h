#ifndef LWSN_ENVIRONMENT_H
#define LWSN_ENVIRONMENT_H

#include <napi.h>

#include <cstdint>
#include <memory>
#include <vector>

extern "C" {
#include "base/list.h"
#include "context/context.h"
#include "crossing/inbound.h"
}

/**
 * What one Node environment (main thread or worker) owns: the core's context on
 * its loop, and the references into JS that batches need. Made when the addon is
 * loaded, deleted when uv has let go of the last handle of the context.
 * Environments share nothing but groups of topics (group.h).
 */
struct Environment {
  explicit Environment(Napi::Env env) : env(env) { lwsn_list_init(&shown); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  Napi::Env env;
  napi_async_cleanup_hook_handle hook = nullptr;
  lwsn_context* context = nullptr;

  Napi::FunctionReference on_batch;
  Napi::FunctionReference mark_shared;  // markAsUntransferable
  Napi::FunctionReference transfer;     // ArrayBuffer.prototype.transfer; empty where there is none
  Napi::Reference<Napi::Array> slabs;
  Napi::ObjectReference async_resource;
  std::unique_ptr<Napi::AsyncContext> async_context;
  std::vector<const lwsn_slab*> exported;  // what `slabs` shows at each place
  size_t exported_bytes = 0;               // since V8 was last invited to collect
  bool copies = false;                     // the runtime forbids external buffers
  lwsn_node shown;                         // all memory that JS was shown (shown.h)
};

/** The environment a function was registered with. */
inline Environment* EnvironmentOf(const Napi::CallbackInfo& info) { return static_cast<Environment*>(info.Data()); }

/** The started context, or null with a pending JS exception. */
lwsn_context* ContextOf(const Napi::CallbackInfo& info);

/** The server of an id; null when it was released. */
struct lwsn_server* FindServer(lwsn_context* context, const Napi::Value& id);

/** Throws what lib/crossing/native.ts turns into an LwsError. */
void ThrowNative(Napi::Env env, const std::string& message);

/* Each room adds its functions to the exports. */
void RegisterCrossing(Environment* environment, Napi::Object exports);
void RegisterServers(Environment* environment, Napi::Object exports);
void RegisterMemory(Environment* environment, Napi::Object exports);
void RegisterTls(Environment* environment, Napi::Object exports);
void RegisterTopics(Environment* environment, Napi::Object exports);
void RegisterAdoption(Environment* environment, Napi::Object exports);

#endif
