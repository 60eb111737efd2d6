/* unstale_plugin.h: detectors for unstale, in C (C11) or C++ (C++17).
 *
 * A detector looks at one process at a time and says which files it runs beyond the code that the kernel has mapped for
 * it: scripts, modules, archives. It does not say what is stale; the host finds that out.
 *
 * A plugin is a shared object with a manifest, which the host reads without running anything, and with one exported
 * function, which hands out the detector:
 *
 *     #include "unstale_plugin.h"
 *     UNSTALE_MANIFEST("name = \"awk\"\n" ...)
 *     static int32_t inspect(const unstale_process *process, const unstale_host *host) { ... return 0; }
 *     UNSTALE_DETECTOR(inspect)
 *
 *     cc -shared -fPIC -fvisibility=hidden -Wl,-z,now -o awk.so awk.c
 *
 * It runs in a process of its own that can do nothing but ask the host: no files, no network, no programs. Its time and
 * its memory are bounded. docs/plugins.md is the guide.
 *
 * The rules of the ABI:
 * - Each struct begins with its size (or comes in an array that says its stride) and grows at its end only. Look at no
 *   field beyond the size that the writer gave. What is in this header is there in each host of this major version; what
 *   later minor versions add will say so.
 * - What is handed over is borrowed: a process until inspect() returns, an answer until the next call to the host. Nobody
 *   frees what the other has allocated. The host has copied what you reported when its function returns.
 * - Nothing may be thrown or jumped over a call.
 * - One thread: inspect() is never called by two, and the host is asked only while inspect() runs, by the thread that
 *   runs it.
 * - All paths, names and arguments are bytes: not terminated, in no encoding, and chosen by whoever runs the process.
 */
#ifndef UNSTALE_PLUGIN_H
#define UNSTALE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UNSTALE_ABI_MAJOR 1
#define UNSTALE_ABI_MINOR 0

/* ---- Bytes and arrays ------------------------------------------------------------------------------------------- */

/* Borrowed bytes. ptr may be null where len is 0. */
typedef struct unstale_bytes {
    const uint8_t *ptr;
    size_t len;
} unstale_bytes;

/* A value that may be missing. */
typedef struct unstale_optional_bytes {
    uint32_t present; /* 0 or 1 */
    uint32_t reserved; /* 0 */
    unstale_bytes value;
} unstale_optional_bytes;

/* A name and a value. */
typedef struct unstale_pair {
    unstale_bytes key;
    unstale_bytes value;
} unstale_pair;

/* `count` items, each `stride` bytes after the one before. UNSTALE_ITEM reaches them. */
typedef struct unstale_array {
    const void *items; /* may be null where count is 0 */
    size_t count;
    size_t stride;
} unstale_array;

/* ---- What the host hands over ----------------------------------------------------------------------------------- */

/* A file of which code is mapped. */
typedef struct unstale_mapped {
    unstale_bytes path;
    uint64_t start; /* the lowest address at which its code is mapped */
} unstale_mapped;

enum { UNSTALE_BY_DESCRIPTOR = 0, UNSTALE_BY_MAPPING = 1 };

/* A file that the process holds open, or has mapped without code. */
typedef struct unstale_held {
    unstale_bytes path;
    uint32_t by; /* UNSTALE_BY_… */
    uint32_t reserved; /* 0 */
    uint64_t handle; /* the number of the descriptor, or the address of the mapping */
} unstale_held;

/* A process, as far as the manifest asks to see it. Paths are in its own view (its root directory, its mounts). */
typedef struct unstale_process {
    uint32_t size;
    uint32_t pid;
    uint32_t uid; /* effective */
    uint32_t environ_known; /* 0: its environment cannot be read */
    uint64_t view; /* same number: same files, with the same rights. What was read for one holds for the others */
    unstale_bytes exe; /* its program; empty if not known */
    unstale_optional_bytes execfn; /* the name by which it was executed, by its own word: for #! scripts the script */
    unstale_optional_bytes cwd; /* its working directory now */
    unstale_bytes cgroup; /* /proc/PID/cgroup as it is */
    unstale_array argv; /* of unstale_bytes: its arguments as it holds them now (setproctitle(3) writes over them) */
    unstale_array environ; /* of unstale_pair: the variables that the manifest names (wants.environ) */
    unstale_array code; /* of unstale_mapped */
    unstale_array held; /* of unstale_held, if the manifest asks (wants.files) */
    unstale_array options; /* of unstale_pair: options of this plugin from the configuration */
    unstale_optional_bytes runtime; /* the container runtime; not present if the process is in no container */
    unstale_bytes container; /* the id of the container there */
    uint32_t container_has_user; /* 1: it runs under a user's manager, */
    uint32_t container_user; /* this user's */
} unstale_process;

/* Whose files. */
enum {
    UNSTALE_ROOT_PROCESS = 0, /* those that the process sees, with the rights that it has */
    UNSTALE_ROOT_HOST = 1 /* the host's, of which the manifest names some (wants.host_files) */
};

enum { UNSTALE_FILE = 0, UNSTALE_DIRECTORY = 1, UNSTALE_LINK = 2, UNSTALE_OTHER = 3 };

/* What is at a path, links followed. Set struct_size before you ask. */
typedef struct unstale_stat {
    uint32_t struct_size;
    uint32_t kind; /* UNSTALE_FILE … */
    uint64_t size;
    unstale_bytes real_path; /* without links: what to compare; borrowed until the next call */
} unstale_stat;

/* Why a file was not shown. What a newer host says beyond these is to be taken as UNSTALE_FAILED. */
enum {
    UNSTALE_OK = 0,
    UNSTALE_MISSING = -1, /* nothing is there */
    UNSTALE_WRONG_KIND = -2, /* reading a directory or a FIFO, listing a file */
    UNSTALE_DENIED = -3, /* the process may not read it either, or the manifest does not name it */
    UNSTALE_TOO_LARGE = -4, /* more than 1 MiB, more than 10,000 names */
    UNSTALE_BUDGET = -5, /* this process has cost its share already: 32 MiB, 4,000 files */
    UNSTALE_NO_ANSWER = -6, /* a file system that may never answer */
    UNSTALE_FAILED = -7 /* anything else */
};

/* ---- What a detector reports ------------------------------------------------------------------------------------ */

enum {
    UNSTALE_USED_FILE = 0, /* the file at `path`, in the view of the process */
    UNSTALE_USED_DESCRIPTOR = 1, /* the descriptor `handle` of the process */
    UNSTALE_USED_MAPPING = 2, /* the mapping at `handle` */
    UNSTALE_USED_LINK = 3 /* the link at `path`, which led to `was` when the process started */
};

enum { UNSTALE_SCRIPT = 0, UNSTALE_MODULE = 1, UNSTALE_ARCHIVE = 2, UNSTALE_REVISION = 3 };

enum {
    UNSTALE_LOADED = 0, /* the process itself shows it: an argument, a descriptor, a list of modules */
    UNSTALE_IMPORTED = 1, /* its sources say so, and are executed whenever the program is */
    UNSTALE_POSSIBLE = 2 /* its sources may do so. Shown, and never a reason to restart */
};

/* Something that the process runs. Report each file once. */
typedef struct unstale_used {
    uint32_t size;
    uint32_t what; /* UNSTALE_USED_… */
    uint32_t role; /* UNSTALE_SCRIPT … */
    uint32_t how; /* UNSTALE_LOADED … */
    uint32_t root; /* of a link: UNSTALE_ROOT_… */
    uint32_t reserved; /* 0 */
    uint64_t handle;
    unstale_bytes path;
    unstale_bytes was;
    unstale_optional_bytes via; /* the file that asks for it: the one with the `import` */
} unstale_used;

enum {
    UNSTALE_PAYLOAD = 0, /* inside: it runs the instance's own files */
    UNSTALE_HELPER = 1 /* outside: it runs the host's files on behalf of the instance */
};

/* The container, machine or app that the process belongs to. Report at most one. */
typedef struct unstale_instance {
    uint32_t size;
    uint32_t part; /* UNSTALE_PAYLOAD, UNSTALE_HELPER */
    unstale_bytes name; /* as its own tools print it and take it */
    unstale_optional_bytes id;
    unstale_optional_bytes image;
    unstale_optional_bytes pod;
    unstale_optional_bytes project;
    unstale_optional_bytes restart; /* which [restart.NAME] of the manifest */
} unstale_instance;

/* ---- The host --------------------------------------------------------------------------------------------------- */

/* Receives one name of a directory, which is borrowed for this call. Links are not followed. */
typedef void (*unstale_on_entry)(void *ctx, unstale_bytes name, uint32_t kind);

/* What the host offers while inspect() runs. `ctx` goes back with each call. The functions below, unstale_read() and so
 * on, are the convenient way. */
typedef struct unstale_host {
    uint32_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    void *ctx;
    int32_t (*read)(void *ctx, uint32_t root, unstale_bytes path, unstale_bytes *out);
    int32_t (*read_at)(void *ctx, uint32_t root, unstale_bytes path, uint64_t offset, uint32_t size, unstale_bytes *out);
    int32_t (*stat)(void *ctx, uint32_t root, unstale_bytes path, unstale_stat *out);
    int32_t (*list)(void *ctx, uint32_t root, unstale_bytes path, unstale_on_entry on_entry, void *entry_ctx);
    int32_t (*read_link)(void *ctx, uint32_t root, unstale_bytes path, unstale_bytes *out);
    int32_t (*memory)(void *ctx, uint64_t address, uint32_t size, unstale_bytes *out);
    void (*uses)(void *ctx, const unstale_used *used);
    void (*instance)(void *ctx, const unstale_instance *instance);
    void (*note)(void *ctx, unstale_bytes text);
    void (*unknown)(void *ctx, unstale_bytes what);
} unstale_host;

/* ---- What a plugin exports -------------------------------------------------------------------------------------- */

typedef struct unstale_detector {
    uint32_t size;
    uint16_t abi_major; /* that it was built for */
    uint16_t abi_minor; /* that it needs at least */
    /* Looks at one process. 0, or anything else if it failed: then nothing that it said of this process counts. */
    int32_t (*inspect)(const unstale_process *process, const unstale_host *host);
} unstale_detector;

/* The one exported function. UNSTALE_DETECTOR defines it. */
const unstale_detector *unstale_detector_v1(void);

/* Goes once into a plugin: exports a detector by its inspect function. */
#define UNSTALE_DETECTOR(inspect_function)                                                                              \
    UNSTALE_EXTERN_C __attribute__((visibility("default"))) const unstale_detector *unstale_detector_v1(void)           \
    {                                                                                                                   \
        static const unstale_detector detector                                                                          \
            = { sizeof(unstale_detector), UNSTALE_ABI_MAJOR, UNSTALE_ABI_MINOR, inspect_function };                     \
        return &detector;                                                                                               \
    }

/* Goes once into a plugin: the text of the manifest, as one string literal, in an ELF note. */
#ifdef __cplusplus
#define UNSTALE_EXTERN_C extern "C"
#define UNSTALE_MANIFEST(literal)                                                                                       \
    __attribute__((used, section(".note.unstale"), aligned(4))) static constexpr unstale_note<sizeof(literal)>          \
        unstale_manifest_note { literal };
#else
#define UNSTALE_EXTERN_C
#define UNSTALE_MANIFEST(literal)                                                                                       \
    __attribute__((used, section(".note.unstale"), aligned(4))) static const struct {                                   \
        uint32_t name_size, text_size, kind;                                                                            \
        char name[8];                                                                                                   \
        char text[(sizeof(literal) - 1 + 3) / 4 * 4]; /* without the final NUL, padded */                               \
    } unstale_manifest_note = { 8, sizeof(literal) - 1, 1, "unstale", literal };
#endif

/* ---- For short code --------------------------------------------------------------------------------------------- */

/* The item of an array at an index that is less than its count: UNSTALE_ITEM(unstale_pair, process->options, i)->key. */
#define UNSTALE_ITEM(type, array, index)                                                                                \
    ((const type *)(const void *)((const char *)(array).items + (size_t)(index) * (array).stride))

/* Whether a struct of the other side is long enough to have a field: for what later minor versions add. */
#define UNSTALE_HAS(pointer, type, field) ((pointer)->size >= offsetof(type, field) + sizeof((pointer)->field))

/* The bytes of a string. */
static inline unstale_bytes unstale_str(const char *text)
{
    unstale_bytes bytes;
    bytes.ptr = (const uint8_t *)text;
    bytes.len = strlen(text);
    return bytes;
}

static inline int unstale_same(unstale_bytes left, unstale_bytes right)
{
    return left.len == right.len && (left.len == 0 || memcmp(left.ptr, right.ptr, left.len) == 0);
}

/* Whether bytes are a string: unstale_is(argument, "-f"). */
static inline int unstale_is(unstale_bytes bytes, const char *text)
{
    return unstale_same(bytes, unstale_str(text));
}

static inline int unstale_starts(unstale_bytes bytes, const char *text)
{
    unstale_bytes start = unstale_str(text);
    return bytes.len >= start.len && (start.len == 0 || memcmp(bytes.ptr, start.ptr, start.len) == 0);
}

/* Bytes without the first `count`. */
static inline unstale_bytes unstale_skip(unstale_bytes bytes, size_t count)
{
    if (count > bytes.len)
        count = bytes.len;
    if (count > 0)
        bytes.ptr += count;
    bytes.len -= count;
    return bytes;
}

/* The last component of a path. */
static inline unstale_bytes unstale_base_name(unstale_bytes path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    return unstale_skip(path, at);
}

/* The argument at an index; empty beyond the last. */
static inline unstale_bytes unstale_argument(const unstale_process *process, size_t index)
{
    if (index < process->argv.count)
        return *UNSTALE_ITEM(unstale_bytes, process->argv, index);
    return unstale_str("");
}

/* The value of a name in an array of pairs; null if it is not there: unstale_value(process->environ, "AWKPATH"). */
static inline const unstale_bytes *unstale_value(unstale_array pairs, const char *name)
{
    size_t index;
    for (index = 0; index < pairs.count; index++) {
        const unstale_pair *pair = UNSTALE_ITEM(unstale_pair, pairs, index);
        if (unstale_is(pair->key, name))
            return &pair->value;
    }
    return NULL;
}

/* `path` as an absolute path, from `directory` if it is relative, its "." and ".." components resolved as text. The
 * result lies in `buffer`, of `capacity` bytes; it is empty if it does not fit or the directory is not absolute. */
static inline unstale_bytes unstale_join(char *buffer, size_t capacity, unstale_bytes directory, unstale_bytes path)
{
    unstale_bytes joined = { NULL, 0 };
    unstale_bytes sources[2];
    size_t filled = 0, source, at, end, length;
    int absolute = unstale_starts(path, "/");
    if (!absolute && !unstale_starts(directory, "/"))
        return joined;
    sources[0] = absolute ? unstale_str("") : directory;
    sources[1] = path;
    for (source = 0; source < 2; source++) {
        for (at = 0; at < sources[source].len; at = end + 1) {
            for (end = at; end < sources[source].len && sources[source].ptr[end] != '/'; end++)
                continue;
            length = end - at;
            if (length == 0 || (length == 1 && sources[source].ptr[at] == '.'))
                continue;
            if (length == 2 && memcmp(sources[source].ptr + at, "..", 2) == 0) {
                while (filled > 0 && buffer[--filled] != '/')
                    continue;
                continue;
            }
            if (capacity - filled < length + 1)
                return joined;
            buffer[filled++] = '/';
            memcpy(buffer + filled, sources[source].ptr + at, length);
            filled += length;
        }
    }
    if (filled == 0) {
        if (capacity == 0)
            return joined;
        buffer[filled++] = '/';
    }
    joined.ptr = (const uint8_t *)buffer;
    joined.len = filled;
    return joined;
}

/* The content of a regular file. Paths are absolute. */
static inline int32_t unstale_read(const unstale_host *host, uint32_t root, unstale_bytes path, unstale_bytes *out)
{
    return host->read(host->ctx, root, path, out);
}

/* A part of it: at most 1 MiB, less at its end. */
static inline int32_t unstale_read_at(const unstale_host *host, uint32_t root, unstale_bytes path, uint64_t offset,
    uint32_t size, unstale_bytes *out)
{
    return host->read_at(host->ctx, root, path, offset, size, out);
}

/* What is at a path, links followed. */
static inline int32_t unstale_stat_of(const unstale_host *host, uint32_t root, unstale_bytes path, unstale_stat *out)
{
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    return host->stat(host->ctx, root, path, out);
}

/* The names in a directory, in no order. Ask the host nothing from within on_entry. */
static inline int32_t unstale_list(const unstale_host *host, uint32_t root, unstale_bytes path,
    unstale_on_entry on_entry, void *entry_ctx)
{
    return host->list(host->ctx, root, path, on_entry, entry_ctx);
}

/* The text of a symbolic link. */
static inline int32_t unstale_read_link(const unstale_host *host, uint32_t root, unstale_bytes path, unstale_bytes *out)
{
    return host->read_link(host->ctx, root, path, out);
}

/* Memory of the process, if the manifest asks (wants.memory): at most 64 KiB at a time, 4 MiB altogether. */
static inline int32_t unstale_memory(const unstale_host *host, uint64_t address, uint32_t size, unstale_bytes *out)
{
    return host->memory(host->ctx, address, size, out);
}

/* Reports the file at a path. `via` is the file that asks for it, or null. */
static inline void unstale_uses_file(const unstale_host *host, unstale_bytes path, uint32_t role, uint32_t how,
    const unstale_bytes *via)
{
    unstale_used used;
    memset(&used, 0, sizeof used);
    used.size = sizeof used;
    used.what = UNSTALE_USED_FILE;
    used.role = role;
    used.how = how;
    used.path = path;
    if (via) {
        used.via.present = 1;
        used.via.value = *via;
    }
    host->uses(host->ctx, &used);
}

/* One line for a person who asks for an explanation. */
static inline void unstale_note_text(const unstale_host *host, const char *text)
{
    host->note(host->ctx, unstale_str(text));
}

/* One line: what could not be looked at although it should have been. Makes the result for this process incomplete. */
static inline void unstale_unknown(const unstale_host *host, const char *what)
{
    host->unknown(host->ctx, unstale_str(what));
}

#ifdef __cplusplus
} /* extern "C" */

/* The ELF note of UNSTALE_MANIFEST: C++ does not let a literal fill an array without its final NUL. */
template <size_t Size> struct unstale_note {
    uint32_t name_size = 8, text_size = Size - 1, kind = 1;
    char name[8] = { 'u', 'n', 's', 't', 'a', 'l', 'e', 0 };
    char text[(Size - 1 + 3) / 4 * 4] = {};
    constexpr unstale_note(const char (&literal)[Size])
    {
        for (size_t at = 0; at + 1 < Size; at++)
            text[at] = literal[at];
    }
};
#endif

#endif
