/* A detector that does what the first argument of the process says. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unstale_plugin.h>

static void say(const unstale_host *host, const char *text)
{
    host->note(host->ctx, unstale_str(text));
}

static int32_t crash(void)
{
    *(volatile int *)8 = 1;
    return 0;
}

static volatile int deep = 1;

static int32_t overflow(volatile char *before)
{
    volatile char here[4096];
    here[0] = before ? *before : 0;
    return deep ? overflow(here) + here[0] : 0;
}

static int32_t loop(void)
{
    signal(SIGTERM, SIG_IGN);
    while (deep)
        ;
    return 0;
}

static int32_t stubborn(void)
{
    signal(SIGXCPU, SIG_IGN);
    return loop();
}

static int32_t fork_bomb(const unstale_host *host)
{
    char text[64];
    int children = 0, why = 0;
    for (int i = 0; i < 1000; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        if (child > 0)
            children++;
        else
            why = errno;
    }
    snprintf(text, sizeof text, "%d children, errno %d", children, why);
    say(host, text);
    return 0;
}

static int32_t memory_bomb(const unstale_host *host)
{
    char text[64];
    size_t mib = 1 << 20;
    char *last = NULL;
    int got = 0;
    for (;; got++) {
        char *more = mmap(NULL, mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED)
            break;
        memset(more, 1, mib);
        last = more;
    }
    /* So that there is some left to tell it with. */
    munmap(last, mib);
    snprintf(text, sizeof text, "%d", got);
    say(host, text);
    return 0;
}

/* A GiB of findings, of which each is as it should be, and none is like another. */
static int32_t flood(const unstale_host *host)
{
    char path[1025];
    unstale_bytes lent = { (const uint8_t *)path, sizeof path - 1 };
    for (int i = 0; i < 1 << 20; i++) {
        snprintf(path, sizeof path, "/%01023d", i);
        unstale_uses_file(host, lent, UNSTALE_MODULE, UNSTALE_LOADED, NULL);
    }
    return 0;
}

static int32_t lie(const unstale_host *host, unstale_bytes about)
{
    static const uint8_t some[8] = "/etc/x";
    unstale_bytes huge = { some, (size_t)1 << 40 }, all = { some, SIZE_MAX }, nowhere = { NULL, 5 }, out;
    unstale_used used = { .size = sizeof used, .path = { some, 6 } };
    if (unstale_is(about, "read"))
        return host->read(host->ctx, 0, huge, &out) == UNSTALE_FAILED ? 0 : 7;
    if (unstale_is(about, "note"))
        host->note(host->ctx, all);
    if (unstale_is(about, "null"))
        host->unknown(host->ctx, nowhere);
    if (unstale_is(about, "used"))
        host->uses(host->ctx, NULL);
    if (unstale_is(about, "instance"))
        host->instance(host->ctx, NULL);
    if (unstale_is(about, "out"))
        return host->read(host->ctx, 0, used.path, NULL) == UNSTALE_FAILED ? 0 : 7;
    if (unstale_is(about, "ear"))
        return host->list(host->ctx, 0, used.path, NULL, NULL) == UNSTALE_FAILED ? 0 : 7;
    if (unstale_is(about, "root"))
        return host->read(host->ctx, 9, used.path, &out) == UNSTALE_FAILED ? 0 : 7;
    if (unstale_is(about, "short")) {
        used.size = 16;
        host->uses(host->ctx, &used);
    }
    if (unstale_is(about, "role")) {
        used.role = 77;
        host->uses(host->ctx, &used);
    }
    if (unstale_is(about, "stat")) {
        unstale_stat found = { .struct_size = 8 };
        return host->stat(host->ctx, 0, used.path, &found) == UNSTALE_FAILED ? 0 : 7;
    }
    return 0;
}

static void on_entry(void *ctx, unstale_bytes name, uint32_t kind)
{
    char text[300];
    const unstale_host *host = ctx;
    unstale_bytes content = { NULL, 0 };
    /* More than the header allows, and yet no reason to crash. */
    int32_t answer = host->read(host->ctx, 0, name, &content);
    snprintf(text, sizeof text, "%.*s %u %d %.*s", (int)name.len, (const char *)name.ptr, kind, answer, (int)content.len,
        (const char *)content.ptr);
    say(host, text);
}

/* Says what the host has shown, for each kind of question. */
static int32_t ask(const unstale_process *process, const unstale_host *host)
{
    char text[300];
    unstale_bytes path = unstale_argument(process, 1), out = { NULL, 0 };
    unstale_stat found = { .struct_size = sizeof found };
    int32_t answer = host->read(host->ctx, 1, path, &out);
    snprintf(text, sizeof text, "read %d %.*s", answer, (int)out.len, (const char *)out.ptr);
    say(host, text);
    answer = host->read_at(host->ctx, 0, path, 3, 4, &out);
    snprintf(text, sizeof text, "read_at %d %.*s", answer, (int)out.len, (const char *)out.ptr);
    say(host, text);
    answer = host->read_link(host->ctx, 0, path, &out);
    snprintf(text, sizeof text, "read_link %d %.*s", answer, (int)out.len, (const char *)out.ptr);
    say(host, text);
    answer = host->memory(host->ctx, 4096, 8, &out);
    snprintf(text, sizeof text, "memory %d %.*s", answer, (int)out.len, (const char *)out.ptr);
    say(host, text);
    answer = host->stat(host->ctx, 0, path, &found);
    snprintf(text, sizeof text, "stat %d %u %llu %.*s", answer, found.kind, (unsigned long long)found.size,
        (int)found.real_path.len, (const char *)found.real_path.ptr);
    say(host, text);
    answer = host->list(host->ctx, 0, path, on_entry, (void *)host);
    snprintf(text, sizeof text, "list %d", answer);
    say(host, text);
    answer = host->read(host->ctx, 0, path, &out);
    snprintf(text, sizeof text, "refused %d", answer);
    say(host, text);
    return 0;
}

static int32_t inspect(const unstale_process *process, const unstale_host *host)
{
    unstale_bytes what = unstale_argument(process, 0);
    if (unstale_is(what, "abort"))
        abort();
    if (unstale_is(what, "exit"))
        exit(0);
    if (unstale_is(what, "crash"))
        return crash();
    if (unstale_is(what, "overflow"))
        return overflow(NULL);
    if (unstale_is(what, "loop"))
        return loop();
    if (unstale_is(what, "stubborn"))
        return stubborn();
    if (unstale_is(what, "fork"))
        return fork_bomb(host);
    if (unstale_is(what, "memory"))
        return memory_bomb(host);
    if (unstale_is(what, "flood"))
        return flood(host);
    if (unstale_is(what, "lie"))
        return lie(host, unstale_argument(process, 1));
    if (unstale_is(what, "ask"))
        return ask(process, host);
    if (unstale_is(what, "fail"))
        return 5;
#ifdef __x86_64__
    if (unstale_is(what, "int80")) {
        long answer;
        /* getpid(2) by the door of 32-bit programs, whose numbers are others. */
        __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20) : "memory");
        return answer > 0 ? 0 : 1;
    }
#endif
    return 0;
}
UNSTALE_DETECTOR(inspect)
