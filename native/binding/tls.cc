/* TLS contexts, and what a transport's handshake found. */
#include <openssl/crypto.h>

#include <string>

#include "environment.h"

extern "C" {
#include "net/server.h"
#include "net/tls.h"
#include "net/tls_context.h"
#include "net/transport.h"
}

namespace {

using Context = Napi::External<lwsn_tls_context>;

lwsn_bytes BytesOf(Napi::Value value) {
  if (!value.IsTypedArray()) return {nullptr, 0};
  auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

/* Keeps the text alive for the call. */
struct Text {
  explicit Text(Napi::Value value) : given(value.IsString()) {
    if (given) text = value.As<Napi::String>().Utf8Value();
  }
  const char* get() const { return given ? text.c_str() : nullptr; }
  bool given;
  std::string text;
};

/* createTls({ cert, key, pfx, ca, passphrase, ciphers, cipherSuites, groups, minVersion, maxVersion, client,
   defaultPaths, askPeer, verifyPeer }): an opaque context; throws a sentence */
Napi::Value CreateTls(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto o = info[0].As<Napi::Object>();
  Text passphrase(o.Get("passphrase")), ciphers(o.Get("ciphers")), suites(o.Get("cipherSuites")),
      groups(o.Get("groups"));
  lwsn_tls_options options = {};
  options.cert = BytesOf(o.Get("cert"));
  options.key = BytesOf(o.Get("key"));
  options.pfx = BytesOf(o.Get("pfx"));
  options.ca = BytesOf(o.Get("ca"));
  options.passphrase = passphrase.get();
  options.ciphers = ciphers.get();
  options.cipher_suites = suites.get();
  options.groups = groups.get();
  options.min_version = o.Get("minVersion").ToNumber();
  options.max_version = o.Get("maxVersion").ToNumber();
  options.client = o.Get("client").ToBoolean();
  options.default_paths = o.Get("defaultPaths").ToBoolean();
  options.ask_peer = o.Get("askPeer").ToBoolean();
  options.verify_peer = o.Get("verifyPeer").ToBoolean();
  char why[256];
  lwsn_tls_context* context = lwsn_tls_context_create(&options, why);
  if (!context) {
    ThrowNative(env, why);
    return env.Undefined();
  }
  return Context::New(env, context, [](Napi::Env, lwsn_tls_context* c) { lwsn_tls_context_unref(c); });
}

/* addTlsName(context, name, other) */
void AddTlsName(const Napi::CallbackInfo& info) {
  std::string name = info[1].As<Napi::String>().Utf8Value();
  if (!lwsn_tls_context_add_name(info[0].As<Context>().Data(), name.c_str(), info[2].As<Context>().Data()))
    ThrowNative(info.Env(), "out of memory");
}

/* setTls(server, context) */
void SetTls(const Napi::CallbackInfo& info) {
  lwsn_context* context = ContextOf(info);
  if (!context) return;
  lwsn_server* server = FindServer(context, info[0]);
  if (server) lwsn_server_set_tls(server, info[1].As<Context>().Data());
}

/* tlsInfo(slot, generation): { version, cipher, serverName, resumed, verified, certificate }, undefined for a plain
   transport */
Napi::Value TlsInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lwsn_context* context = ContextOf(info);
  if (!context) return env.Undefined();
  lwsn_handle handle = {info[0].As<Napi::Number>(), info[1].As<Napi::Number>()};
  lwsn_transport* t = lwsn_registry_get(&context->services.registry, handle);
  if (!t || !t->tls) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  result.Set("version", lwsn_tls_version(t->tls));
  result.Set("cipher", lwsn_tls_cipher(t->tls));
  result.Set("serverName", lwsn_tls_server_name(t->tls));
  result.Set("resumed", Napi::Boolean::New(env, lwsn_tls_resumed(t->tls)));
  uint8_t* der;
  int size = lwsn_tls_peer_certificate(t->tls, &der);
  result.Set("verified", Napi::Boolean::New(env, size > 0 && lwsn_tls_verified(t->tls)));
  if (size > 0) result.Set("certificate", Napi::Buffer<uint8_t>::Copy(env, der, static_cast<size_t>(size)));
  OPENSSL_free(der);
  return result;
}

}  // namespace

void RegisterTls(Environment* environment, Napi::Object exports) {
  Napi::Env env = environment->env;
  exports.Set("createTls", Napi::Function::New(env, CreateTls, "createTls", environment));
  exports.Set("addTlsName", Napi::Function::New(env, AddTlsName, "addTlsName", environment));
  exports.Set("setTls", Napi::Function::New(env, SetTls, "setTls", environment));
  exports.Set("tlsInfo", Napi::Function::New(env, TlsInfo, "tlsInfo", environment));
}
