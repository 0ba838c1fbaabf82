/*
 * connection.memory: V8 owns the bytes, we keep a reference and detach them at
 * the end. Memory of lws or of our own must not stand behind it: `transfer()`
 * would carry a view of freed bytes past the detach (reference/sessions.md D-L3).
 */
#include "environment.h"

namespace {

/* createMemory(size): an ArrayBuffer of zeroes */
Napi::Value CreateMemory(const Napi::CallbackInfo& info) {
  size_t size = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  return Napi::ArrayBuffer::New(info.Env(), size);
}

/* detachMemory(buffer): harmless when it was transferred before */
void DetachMemory(const Napi::CallbackInfo& info) {
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  if (!buffer.IsDetached()) buffer.Detach();
}

}  // namespace

void RegisterMemory(Environment* environment, Napi::Object exports) {
  Napi::Env env = environment->env;
  exports.Set("createMemory", Napi::Function::New(env, CreateMemory, "createMemory", environment));
  exports.Set("detachMemory", Napi::Function::New(env, DetachMemory, "detachMemory", environment));
}
