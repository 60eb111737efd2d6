//! Modules that are part of the program itself.

#![forbid(unsafe_code)]

/// `require('module').builtinModules` of Node.js 20 without those that begin with `_` or hold a slash, and `sea`, `sqlite`,
/// `test` of later ones, which only `node:` reaches. Sorted.
const NAMES: [&[u8]; 43] = [
    b"assert",
    b"async_hooks",
    b"buffer",
    b"child_process",
    b"cluster",
    b"console",
    b"constants",
    b"crypto",
    b"dgram",
    b"diagnostics_channel",
    b"dns",
    b"domain",
    b"events",
    b"fs",
    b"http",
    b"http2",
    b"https",
    b"inspector",
    b"module",
    b"net",
    b"os",
    b"path",
    b"perf_hooks",
    b"process",
    b"punycode",
    b"querystring",
    b"readline",
    b"repl",
    b"stream",
    b"string_decoder",
    b"sys",
    b"timers",
    b"tls",
    b"trace_events",
    b"tty",
    b"url",
    b"util",
    b"v8",
    b"vm",
    b"wasi",
    b"worker_threads",
    b"zlib",
    b"_http_agent",
];

/// Those with a slash. The part before it alone does not tell: `punycode/` and `buffer/` are packages.
const BELOW: [&[u8]; 11] = [
    b"assert/strict",
    b"dns/promises",
    b"fs/promises",
    b"inspector/promises",
    b"path/posix",
    b"path/win32",
    b"readline/promises",
    b"stream/consumers",
    b"stream/promises",
    b"stream/web",
    b"timers/promises",
];

/// Old names of inner parts.
const INNER: [&[u8]; 14] = [
    b"_http_client",
    b"_http_common",
    b"_http_incoming",
    b"_http_outgoing",
    b"_http_server",
    b"_stream_duplex",
    b"_stream_passthrough",
    b"_stream_readable",
    b"_stream_transform",
    b"_stream_wrap",
    b"_stream_writable",
    b"_tls_common",
    b"_tls_wrap",
    b"util/types",
];

/// Whether a request is answered by the program itself, before any file is looked for.
pub(crate) fn is_builtin(request: &[u8]) -> bool {
    request.starts_with(b"node:")
        || NAMES.contains(&request)
        || BELOW.contains(&request)
        || INNER.contains(&request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_22_builtins() {
        assert!(is_builtin(b"fs"));
        assert!(is_builtin(b"fs/promises"));
        assert!(is_builtin(b"node:anything"));
        assert!(!is_builtin(b"punycode/"));
        assert!(!is_builtin(b"express"));
        assert!(!is_builtin(b"./fs"));
    }
}
