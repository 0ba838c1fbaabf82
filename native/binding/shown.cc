/* Memory that JS is shown, and what becomes of it when JS has given it away. */
#include "shown.h"

#include <atomic>
#include <cstring>

#include "environment.h"

namespace {

/* Of the process: what was left belongs to no environment. */
std::atomic<size_t> bytes_left{0};

void LetGo(Shown* shown) {
  if (shown->slab) {
    if (shown->slab->shown == shown) shown->slab->shown = nullptr;
    if (!shown->left) lwsn_slab_unref(shown->slab);
  } else if (!shown->left) {
    lwsn_region_unref(shown->region);
  }
}

void Finalize(napi_env env, void*, void* hint) {
  auto* shown = static_cast<Shown*>(hint);
  LetGo(shown);
  lwsn_list_remove(&shown->in_environment);
  napi_delete_reference(env, shown->buffer);
  delete shown;
}

/* Whether the ArrayBuffer that was shown is there, and has the memory. */
bool HasMemory(const Shown* shown) {
  napi_env env = shown->environment->env;
  napi_value buffer = nullptr;
  void* data = nullptr;
  size_t size = 0;
  return napi_get_reference_value(env, shown->buffer, &buffer) == napi_ok && buffer &&
         napi_get_arraybuffer_info(env, buffer, &data, &size) == napi_ok && data == shown->data && size == shown->size;
}

/* Every call that may run JS looks for that first, before it looks at what it was given. */
bool MayRun(napi_env env) { return napi_new_instance(env, nullptr, 0, nullptr, nullptr) == napi_invalid_arg; }

/*
 * Node lets no transfer list take external memory. What is a message's alone moves on to an ArrayBuffer that knows
 * nothing of this; without transfer() (Node 20) lists go on to copy it.
 */
void MakeTransferable(Shown* shown, napi_value* buffer) {
  Environment* environment = shown->environment;
  napi_env env = environment->env;
  napi_value moved;
  if (environment->transfer.IsEmpty()) return;
  if (napi_call_function(env, *buffer, environment->transfer.Value(), 0, nullptr, &moved) != napi_ok) {
    napi_value ignored;
    napi_get_and_clear_last_exception(env, &ignored);
    return;
  }
  napi_delete_reference(env, shown->buffer);
  napi_create_reference(env, moved, 0, &shown->buffer);
  *buffer = moved;
}

/* Copies of shared memory: a transfer list refuses them, as it does external memory and Node's own pool. */
void MarkShared(Environment* environment, napi_value buffer) {
  napi_env env = environment->env;
  napi_value ignored, undefined;
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, environment->mark_shared.Value(), 1, &buffer, &ignored);
}

napi_status Show(Environment* environment, Shown* shown, napi_value* result) {
  napi_env env = environment->env;
  void* data = const_cast<uint8_t*>(shown->data);
  napi_status status = napi_create_external_arraybuffer(env, data, shown->size, Finalize, shown, result);
  if (status != napi_ok) {
    delete shown;
    return status;
  }
  napi_create_reference(env, *result, 0, &shown->buffer);
  lwsn_list_append(&environment->shown, &shown->in_environment);
  return napi_ok;
}

/* What is there of it now: each batch copies again. */
napi_value CopySlab(Environment* environment, const lwsn_slab* slab) {
  napi_value result;
  void* copy;
  if (napi_create_arraybuffer(environment->env, slab->used, &copy, &result) != napi_ok) return nullptr;
  if (slab->used > 0) memcpy(copy, slab->data, slab->used);
  return result;
}

}  // namespace

napi_value ShowSlab(Environment* environment, lwsn_slab* slab) {
  napi_value result = nullptr;
  if (!environment->copies) {
    auto* shown = new Shown{environment, {}, nullptr, slab->data, slab->size, slab, nullptr, false};
    napi_status status = Show(environment, shown, &result);
    if (status == napi_ok) {
      lwsn_slab_ref(slab);
      slab->shown = shown;
      if (!slab->shared) MakeTransferable(shown, &result);
    }
    environment->copies = status == napi_no_external_buffers_allowed;
    if (status != napi_ok && !environment->copies) return nullptr;
  }
  if (!environment->copies) return result;
  result = CopySlab(environment, slab);
  if (result && slab->shared) MarkShared(environment, result);
  return result;
}

napi_value ShowRegion(Environment* environment, lwsn_region* region) {
  napi_value result = nullptr;
  auto* shown = new Shown{environment, {}, nullptr, region->data, region->size, nullptr, region, false};
  if (Show(environment, shown, &result) != napi_ok) return nullptr;
  lwsn_region_ref(region);
  return result;
}

void LeaveAtTheEnd(Environment* environment) {
  if (MayRun(environment->env)) return;
  Napi::HandleScope scope(environment->env);
  lwsn_node* all = &environment->shown;
  for (lwsn_node* node = all->next; node != all; node = node->next) {
    auto* shown = LWSN_CONTAINER(node, Shown, in_environment);
    if (shown->left || HasMemory(shown)) continue;
    shown->left = true;
    bytes_left += shown->size;
  }
}

bool IsGone(void* data) {
  auto* shown = static_cast<Shown*>(data);
  Napi::HandleScope scope(shown->environment->env);
  return !HasMemory(shown);
}

size_t BytesLeft() { return bytes_left; }
