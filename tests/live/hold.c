/*
 * hold: gets itself into one situation, says so, and stays in it.
 *
 * Arguments are done in order; then it prints "ready PID" and waits for ever. It knows no verdicts: those are the
 * business of the tests. PID is the process's id as the /proc it was started with counts.
 *
 *   x:PATH r:PATH w:PATH   map it r-x private, r-- private, rw- shared
 *   fd:PATH fdx:PATH       keep it open, keep it open until an exec
 *   dl:PATH                dlopen it                                          unmap:N  undo the Nth mapping (from 0)
 *   memfd:NAME tmpfile:DIR sysv sysvx anonsh anonname:TEXT aio uring perf     memory that is nobody's file
 *   own:PATH=SRC           copy SRC to PATH, map it r-x                       unlink:PATH
 *   many:PATH=N            map the first page of PATH N times, r-x
 *   deepmk:DIR=SRC         put SRC as lib.so at the end of a path too long to name; deepx:DIR maps it r-x
 *   anontext               move the program's own code into anonymous memory
 *   chroot:DIR cd:DIR comm:TEXT title:TEXT nodump note:TEXT (nothing)
 *   pivot:DIR              make the mount at DIR the root of the namespace and let go of the old one
 *   crowd:N crowdns:N      N children that stay, all in this or each in a mount namespace of its own
 *   fork vfork             the child goes on, the parent stays                leaderexit  the second thread goes on
 *   zombie traced          keep a dead, a traced child                        storm    fork for ever
 *   pause                  print "paused PID" and wait for a line             sleep:MS
 *   exec:PATH as:ARGV0 memexec    become PATH, itself under another name, itself in a memfd, with the arguments left
 *   execloop:A=B           become A, then B, then A …
 *   fuse:DIR autofs:DIR    mount what never answers; unread prints what was asked of autofs
 *   serve:DIR=SRC          mount what answers for as long as this process runs: SRC as DIR/file
 *   mountproc              mount a /proc of the own pid namespace             stdin    stay until the end of stdin
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Which build this is: it must be in the code, or two builds are the same code. */
#ifndef VERSION
#define VERSION 1
#endif

#ifdef WITH_TINY
int tiny_version(void);
#endif

#define PAGE 4096
#define DEEP_LEVELS 20
#define DEEP_NAME 240

struct mapping {
    void *at;
    size_t length;
};

static struct mapping mappings[64];
static int mapping_count;
static char **args;     /* copies: the title may be written over the arguments themselves */
static char **raw_args;
static int arg_count;
static int proc_dir = -1;
static int autofs_pipe = -1;
static int until_eof;

static void go_on(int index);

static void die(const char *what)
{
    fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
    _exit(VERSION);
}

static void check(int ok, const char *what)
{
    if (!ok)
        die(what);
}

/* The pid as the /proc of the start counts; getpid() where there was none. */
static long pid_there(void)
{
    char text[32] = "";
    if (proc_dir >= 0 && readlinkat(proc_dir, "self", text, sizeof text - 1) > 0)
        return atol(text);
    return getpid();
}

static void say(const char *word)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s %ld\n", word, pid_there());
    check(write(1, line, length) == length, "write");
}

static void stay(void)
{
    char byte;
    if (until_eof)
        while (read(0, &byte, 1) > 0)
            ;
    else
        for (;;)
            pause();
    _exit(0);
}

static void note_mapping(void *at, size_t length)
{
    if (mapping_count < 64)
        mappings[mapping_count++] = (struct mapping){at, length};
}

static void map_fd(int fd, int prot, int flags, const char *what)
{
    struct stat st;
    check(fstat(fd, &st) == 0, what);
    size_t length = st.st_size ? st.st_size : PAGE;
    void *at = mmap(NULL, length, prot, flags, fd, 0);
    check(at != MAP_FAILED, what);
    note_mapping(at, length);
}

static void map_path(const char *path, int prot, int flags)
{
    int fd = open(path, (prot & PROT_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    check(fd >= 0, path);
    map_fd(fd, prot, flags, path);
    close(fd);
}

static void map_memory(int prot, int flags, const char *what)
{
    void *at = mmap(NULL, PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);
    check(at != MAP_FAILED, what);
    note_mapping(at, PAGE);
}

static void copy_to(const char *from, const char *to)
{
    char buffer[65536];
    ssize_t got;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    check(in >= 0, from);
    check(out >= 0, to);
    while ((got = read(in, buffer, sizeof buffer)) > 0)
        check(write(out, buffer, got) == got, to);
    close(in);
    close(out);
}

/* "A=B" in two; A may not hold a "=". */
static char *split(char *text)
{
    char *at = strchr(text, '=');
    if (!at) {
        errno = EINVAL;
        die(text);
    }
    *at = 0;
    return at + 1;
}

static void memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    check(fd >= 0 && ftruncate(fd, PAGE) == 0, "memfd");
    map_fd(fd, PROT_READ | PROT_EXEC, MAP_SHARED, "memfd");
    close(fd);
}

static void temporary(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
    check(fd >= 0 && ftruncate(fd, PAGE) == 0, dir);
    map_fd(fd, PROT_READ | PROT_EXEC, MAP_PRIVATE, dir);
    close(fd);
}

static void sysv(int flags)
{
    int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
    check(id >= 0, "shmget");
    void *at = shmat(id, NULL, flags);
    check(at != (void *)-1, "shmat");
    shmctl(id, IPC_RMID, NULL);
}

static void anonymous_name(const char *name)
{
    map_memory(PROT_READ | PROT_EXEC, MAP_PRIVATE, "anonname");
    map_memory(PROT_READ | PROT_EXEC, MAP_SHARED, "anonname");
    for (int i = mapping_count - 2; i < mapping_count; i++)
        prctl(0x53564d41 /* PR_SET_VMA */, 0UL, mappings[i].at, (unsigned long)PAGE, name);
}

static void aio(void)
{
    unsigned long context = 0;
    check(syscall(SYS_io_setup, 8, &context) == 0, "io_setup");
}

static void uring(void)
{
    char params[120] = {0};
    int fd = syscall(SYS_io_uring_setup, 4, params);
    check(fd >= 0, "io_uring_setup");
    check(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED, "io_uring");
}

static void perf(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr,
                                   .config = PERF_COUNT_SW_DUMMY, .exclude_kernel = 1};
    int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    check(fd >= 0, "perf_event_open");
    check(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED, "perf");
}

static void many(char *path)
{
    int count = atoi(split(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0, path);
    for (int i = 0; i < count; i++)
        check(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED, "many");
    close(fd);
}

static void deep_down(const char *dir)
{
    char name[DEEP_NAME + 1];
    memset(name, 'd', DEEP_NAME);
    name[DEEP_NAME] = 0;
    check(chdir(dir) == 0, dir);
    for (int i = 0; i < DEEP_LEVELS; i++) {
        mkdir(name, 0755);
        check(chdir(name) == 0, "deep");
    }
}

static void deep_make(char *dir)
{
    char *source = split(dir);
    deep_down(dir);
    copy_to(source, "lib.new");
    check(rename("lib.new", "lib.so") == 0, "deepmk");
    check(chdir("/") == 0, "/");
}

static void deep_map(const char *dir)
{
    deep_down(dir);
    map_path("lib.so", PROT_READ | PROT_EXEC, MAP_PRIVATE);
    check(chdir("/") == 0, "/");
}

/* What huge-page remappers do: the same code at the same place, but no longer of the file. */
static void anonymous_text(void)
{
    char line[PATH_MAX + 128], exe[PATH_MAX] = "";
    check(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0, "exe");
    FILE *maps = fopen("/proc/self/maps", "r");
    check(maps != NULL, "maps");
    unsigned long from, to, text = 0, end = 0;
    char mode[8];
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[2] == 'x' && strstr(line, exe))
            text = from, end = to;
    fclose(maps);
    check(text != 0, "text");
    size_t length = end - text;
    void *copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(copy != MAP_FAILED, "anontext");
    memcpy(copy, (void *)text, length);
    check(mprotect(copy, length, PROT_READ | PROT_EXEC) == 0, "mprotect");
    check(mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)text) != MAP_FAILED, "mremap");
}

/* As setproctitle(3): one text over all arguments, which the kernel shows from then on. */
static void title(const char *text)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    char *from = raw_args[0], *last = raw_args[arg_count - 1], *to = last + strlen(last);
    memset(from, 0, to - from);
    strncpy(from, copy, to - from);
}

static int mount_fuse(const char *dir, const char *more)
{
    char options[128];
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    check(fd >= 0, "/dev/fuse");
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0%s", fd, more);
    check(mount("hold", dir, "fuse", 0, options) == 0, dir);
    return fd;
}

static struct fuse_attr attributes(int source, uint64_t node)
{
    struct stat st;
    check(fstat(source, &st) == 0, "serve");
    return (struct fuse_attr){
        .ino = node, .nlink = 1, .size = node == 1 ? 0 : st.st_size, .mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0755,
        .atime = st.st_mtime, .mtime = st.st_mtime, .ctime = st.st_mtime};
}

/* One answer to one request; how many bytes of it, or a negative error. */
static ssize_t answer(int source, const struct fuse_in_header *in, const void *body, void *out)
{
    switch (in->opcode) {
    case FUSE_INIT:
        *(struct fuse_init_out *)out = (struct fuse_init_out){.major = 7, .minor = 31, .max_write = PAGE,
            .max_readahead = ((const struct fuse_init_in *)body)->max_readahead};
        return sizeof(struct fuse_init_out);
    case FUSE_LOOKUP:
        if (strcmp(body, "file"))
            return -ENOENT;
        *(struct fuse_entry_out *)out = (struct fuse_entry_out){.nodeid = 2, .attr = attributes(source, 2)};
        return sizeof(struct fuse_entry_out);
    case FUSE_GETATTR:
        *(struct fuse_attr_out *)out = (struct fuse_attr_out){.attr = attributes(source, in->nodeid)};
        return sizeof(struct fuse_attr_out);
    case FUSE_OPEN:
    case FUSE_OPENDIR:
        *(struct fuse_open_out *)out = (struct fuse_open_out){.open_flags = FOPEN_KEEP_CACHE};
        return sizeof(struct fuse_open_out);
    case FUSE_READ: {
        const struct fuse_read_in *read = body;
        return pread(source, out, read->size, read->offset);
    }
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
        return 0;
    }
    return -ENOSYS;
}

static void serve(char *dir, const char *options)
{
    static char request[1 << 20], reply[1 << 20];
    const char *path = split(dir);
    int source = open(path, O_RDONLY | O_CLOEXEC);
    check(source >= 0, path);
    int fd = mount_fuse(dir, options);
    say("ready");
    while (read(fd, request, sizeof request) > 0) {
        const struct fuse_in_header *in = (void *)request;
        struct fuse_out_header *out = (void *)reply;
        if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT)
            continue;
        ssize_t length = answer(source, in, request + sizeof *in, reply + sizeof *out);
        *out = (struct fuse_out_header){.unique = in->unique, .error = length < 0 ? length : 0};
        out->len = sizeof *out + (length > 0 ? length : 0);
        check(write(fd, reply, out->len) == out->len, "/dev/fuse");
    }
}

static void mount_autofs(const char *dir)
{
    char options[128];
    int ends[2];
    check(pipe(ends) == 0 && setpgid(0, 0) == 0, "pipe");
    snprintf(options, sizeof options, "fd=%d,pgrp=%d,minproto=5,maxproto=5,indirect", ends[1], getpgrp());
    check(mount("hold", dir, "autofs", 0, options) == 0, dir);
    autofs_pipe = ends[0];
}

static void unread(void)
{
    int bytes = 0;
    check(ioctl(autofs_pipe, FIONREAD, &bytes) == 0, "FIONREAD");
    dprintf(1, "unread %d\n", bytes);
}

static void become(const char *path, char *argv0, char **rest)
{
    char *argv[256] = {argv0};
    for (int i = 0; i < 254 && rest[i]; i++)
        argv[i + 1] = rest[i];
    execv(path, argv);
    die(path);
}

static void become_memfd(char **rest)
{
    char path[64];
    int fd = memfd_create("cloned", 0);
    check(fd >= 0, "memfd");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    copy_to("/proc/self/exe", path);
    int read_only = open(path, O_RDONLY);
    close(fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", read_only);
    become(path, args[0], rest);
}

static void exec_loop(char *both)
{
    char again[2 * PATH_MAX + 16];
    char *other = split(both);
    if (!getenv("LOOPING"))
        say("ready");
    setenv("LOOPING", "1", 1);
    snprintf(again, sizeof again, "execloop:%s=%s", other, both);
    become(both, args[0], (char *[]){again, NULL});
}

static void crowd(int count, int apart)
{
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        check(child >= 0, "crowd");
        if (child == 0) {
            if (apart)
                check(unshare(CLONE_NEWNS) == 0, "unshare");
            for (;;)
                pause();
        }
    }
}

static void pivot(const char *dir)
{
    check(chdir(dir) == 0 && syscall(SYS_pivot_root, ".", ".") == 0, dir);
    check(umount2(".", MNT_DETACH) == 0 && chdir("/") == 0, "old root");
}

static void storm(void)
{
    say("ready");
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        pid_t child = fork();
        if (child == 0) {
            usleep(rand() % 2000);
            _exit(0);
        }
        usleep(child < 0 ? 2000 : 300);
    }
}

static void *second_thread(void *index)
{
    usleep(20000); /* the leader must be gone before "ready" */
    go_on((int)(intptr_t)index);
    return NULL;
}

static void leader_exit(int next)
{
    pthread_t thread;
    check(pthread_create(&thread, NULL, second_thread, (void *)(intptr_t)next) == 0, "thread");
    syscall(SYS_exit, 0);
}

static void forked(int keep_dead, int keep_traced)
{
    pid_t child = fork();
    check(child >= 0, "fork");
    if (keep_dead || keep_traced) {
        if (child == 0 && keep_traced)
            ptrace(PTRACE_TRACEME, 0, NULL, NULL), raise(SIGSTOP);
        if (child == 0)
            _exit(0);
        siginfo_t info;
        check(waitid(P_PID, child, &info, (keep_dead ? WEXITED : WSTOPPED) | WNOWAIT) == 0, "wait");
    } else if (child > 0) {
        for (;;)
            pause();
    }
}

/* The child shares this stack: it must not return from here, and does not. */
static void __attribute__((noinline)) vforked(void)
{
    if (vfork() == 0) {
        say("ready");
        stay();
    }
}

static void pause_for_line(void)
{
    char byte = 0;
    say("paused");
    while (byte != '\n')
        if (read(0, &byte, 1) <= 0)
            _exit(0);
}

/* The text behind "NAME:" if the argument is of that kind. */
static char *value(char *arg, const char *name)
{
    size_t length = strlen(name);
    return strncmp(arg, name, length) == 0 && arg[length] == ':' ? arg + length + 1 : NULL;
}

static int do_paths(char *arg)
{
    char *v;
    if ((v = value(arg, "x")))
        map_path(v, PROT_READ | PROT_EXEC, MAP_PRIVATE);
    else if ((v = value(arg, "r")))
        map_path(v, PROT_READ, MAP_PRIVATE);
    else if ((v = value(arg, "w")))
        map_path(v, PROT_READ | PROT_WRITE, MAP_SHARED);
    else if ((v = value(arg, "fd")))
        check(open(v, O_RDONLY) >= 0, v);
    else if ((v = value(arg, "fdx")))
        check(open(v, O_RDONLY | O_CLOEXEC) >= 0, v);
    else if ((v = value(arg, "unlink")))
        check(unlink(v) == 0, v);
    else if ((v = value(arg, "tmpfile")))
        temporary(v);
    else if ((v = value(arg, "own"))) {
        copy_to(split(v), v);
        map_path(v, PROT_READ | PROT_EXEC, MAP_PRIVATE);
    } else if ((v = value(arg, "many")))
        many(v);
    else if ((v = value(arg, "deepmk")))
        deep_make(v);
    else if ((v = value(arg, "deepx")))
        deep_map(v);
    else if ((v = value(arg, "chroot")))
        check(chroot(v) == 0 && chdir("/") == 0, v);
    else if ((v = value(arg, "pivot")))
        pivot(v);
    else if ((v = value(arg, "cd")))
        check(chdir(v) == 0, v);
    else if ((v = value(arg, "fuse")))
        mount_fuse(v, "");
    else if ((v = value(arg, "serve")))
        serve(v, ",allow_other,subtype=hold");
    else if ((v = value(arg, "image")))
        serve(v, ",allow_other,subtype=hold.AppImage");
    else if ((v = value(arg, "autofs")))
        mount_autofs(v);
#ifdef WITH_DL
    else if ((v = value(arg, "dl")))
        check(dlopen(v, RTLD_NOW) != NULL, v);
#endif
    else
        return 0;
    return 1;
}

static int do_memory(char *arg)
{
    char *v;
    if ((v = value(arg, "unmap")))
        check(munmap(mappings[atoi(v)].at, mappings[atoi(v)].length) == 0, arg);
    else if ((v = value(arg, "memfd")))
        memfd(v);
    else if ((v = value(arg, "anonname")))
        anonymous_name(v);
    else if (!strcmp(arg, "sysv"))
        sysv(0);
    else if (!strcmp(arg, "sysvx"))
        sysv(SHM_EXEC);
    else if (!strcmp(arg, "anonsh"))
        map_memory(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, arg);
    else if (!strcmp(arg, "anontext"))
        anonymous_text();
    else if (!strcmp(arg, "aio"))
        aio();
    else if (!strcmp(arg, "uring"))
        uring();
    else if (!strcmp(arg, "perf"))
        perf();
    else
        return 0;
    return 1;
}

static int do_process(char *arg, int next)
{
    char *v;
    if ((v = value(arg, "comm")))
        prctl(PR_SET_NAME, v);
    else if ((v = value(arg, "title")))
        title(v);
    else if ((v = value(arg, "sleep")))
        usleep(atoi(v) * 1000);
    else if ((v = value(arg, "exec")))
        become(v, v, args + next);
    else if ((v = value(arg, "as")))
        become("/proc/self/exe", v, args + next);
    else if ((v = value(arg, "execloop")))
        exec_loop(v);
    else if ((v = value(arg, "crowd")))
        crowd(atoi(v), 0);
    else if ((v = value(arg, "crowdns")))
        crowd(atoi(v), 1);
    else if (!strcmp(arg, "memexec"))
        become_memfd(args + next);
    else if (!strcmp(arg, "nodump"))
        prctl(PR_SET_DUMPABLE, 0);
    else if (!strcmp(arg, "fork"))
        forked(0, 0);
    else if (!strcmp(arg, "vfork"))
        vforked();
    else if (!strcmp(arg, "zombie"))
        forked(1, 0);
    else if (!strcmp(arg, "traced"))
        forked(0, 1);
    else if (!strcmp(arg, "storm"))
        storm();
    else if (!strcmp(arg, "leaderexit"))
        leader_exit(next);
    else if (!strcmp(arg, "pause"))
        pause_for_line();
    else if (!strcmp(arg, "unread"))
        unread();
    else if (!strcmp(arg, "mountproc"))
        check(mount("proc", "/proc", "proc", 0, NULL) == 0, "/proc");
    else if (!strcmp(arg, "stdin"))
        until_eof = 1;
    else
        return 0;
    return 1;
}

static void go_on(int index)
{
    for (; index < arg_count; index++) {
        char *arg = args[index];
        if (!value(arg, "note") && arg[0] != '/' && !do_paths(arg) && !do_memory(arg) &&
            !do_process(arg, index + 1)) {
            errno = EINVAL;
            die(arg);
        }
    }
    say("ready");
    stay();
}

int main(int argc, char **argv)
{
    raw_args = argv;
    arg_count = argc;
    args = calloc(argc + 1, sizeof *args);
    for (int i = 0; i < argc; i++)
        args[i] = strdup(argv[i]);
    proc_dir = open("/proc", O_PATH | O_CLOEXEC);
    /* The first process of a pid namespace is the parent of all orphans: none may stay as a zombie. */
    if (getpid() == 1)
        signal(SIGCHLD, SIG_IGN);
#ifdef WITH_TINY
    if (tiny_version() < 0)
        return 1;
#endif
    go_on(1);
}
