/* Tries all that a plugin must not be able to do, in a constructor: before anybody has asked it for anything. What came
 * of each attempt, and what it finds around itself, it says when it is asked to inspect.
 *
 * PLACE is a directory in which everybody may write; it holds `there`, which everybody may write, and `secret`, which is
 * the worker's user's own. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unstale_plugin.h>

extern char **environ;

static struct {
    const char *what;
    int why; /* 0: it worked */
} tried[128];
static int count;
static char found[2048];

static void keep(const char *what, int why)
{
    tried[count].what = what;
    tried[count++].why = why;
}

/* -1 and errno, as most calls answer. */
#define TRY(what, call) (errno = 0, keep(what, (long)(call) == -1 ? errno : 0))

static void *nothing(void *argument)
{
    return argument;
}

static int written(const char *path, int flags)
{
    int file = open(path, flags, 0666);
    return file == -1 ? -1 : (int)write(file, "x", 1);
}

static int shown(const char *path)
{
    char some[64];
    int file = open(path, O_RDONLY);
    return file == -1 ? -1 : (int)read(file, some, sizeof some);
}

static int listed(const char *path)
{
    DIR *directory = opendir(path);
    return directory && readdir(directory) ? 0 : -1;
}

static int child(pid_t pid)
{
    if (pid == 0)
        _exit(0);
    return pid;
}

static void files(void)
{
    struct open_how how = { .flags = O_WRONLY | O_CREAT, .mode = 0666 };
    struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
    TRY("create a file", written(PLACE "/new", O_WRONLY | O_CREAT));
    TRY("create a file without a name", written(PLACE, O_WRONLY | O_TMPFILE));
    TRY("create a file by creat", syscall(SYS_openat, AT_FDCWD, PLACE "/new", O_CREAT, 0666));
    TRY("create a file by openat2", syscall(SYS_openat2, AT_FDCWD, PLACE "/new", &how, sizeof how));
    TRY("write a file", written(PLACE "/there", O_WRONLY));
    TRY("append to a file", written(PLACE "/there", O_RDWR | O_APPEND));
    TRY("empty a file", open(PLACE "/there", O_RDONLY | O_TRUNC));
    TRY("truncate", truncate(PLACE "/there", 0));
    TRY("rename", rename(PLACE "/there", PLACE "/gone"));
    TRY("unlink", unlink(PLACE "/there"));
    TRY("link", link(PLACE "/there", PLACE "/new"));
    TRY("symlink", symlink("/etc", PLACE "/new"));
    TRY("mkdir", mkdir(PLACE "/new", 0777));
    TRY("rmdir", rmdir(PLACE "/empty"));
    TRY("mkfifo", mkfifo(PLACE "/new", 0666));
    TRY("chmod", chmod(PLACE "/there", 0600));
    TRY("chown", chown(PLACE "/there", -1, -1));
    TRY("touch", utimensat(AT_FDCWD, PLACE "/there", now, 0));
    TRY("write to the plugin", write(3, "x", 1));
    TRY("chmod the plugin", fchmod(3, 0666));
    TRY("lock the plugin", syscall(SYS_flock, 3, 1));
    TRY("memfd_create", syscall(SYS_memfd_create, "x", 0));
    TRY("read what everybody may", shown(PLACE "/there"));
    TRY("read what is its user's", shown(PLACE "/secret"));
    TRY("read /etc/passwd", shown("/etc/passwd"));
    TRY("read /etc/shadow", shown("/etc/shadow"));
    TRY("read /proc/1/environ", shown("/proc/1/environ"));
    TRY("read /proc/self/environ", shown("/proc/self/environ"));
    TRY("read /proc/self/maps", shown("/proc/self/maps"));
    TRY("open /dev/null", shown("/dev/null"));
    TRY("list /", listed("/"));
    TRY("list /proc", listed("/proc"));
    TRY("list /etc", listed("/etc"));
    TRY("list " PLACE, listed(PLACE));
    TRY("chdir", chdir(PLACE));
    TRY("chroot", chroot("/usr"));
    TRY("mount", mount("none", "/mnt", "tmpfs", 0, ""));
    TRY("open_tree", syscall(428, AT_FDCWD, "/", 1));
}

static void network(void)
{
    int pair[2];
    struct sockaddr_in home = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    TRY("socket inet", socket(AF_INET, SOCK_STREAM, 0));
    TRY("socket inet6", socket(AF_INET6, SOCK_DGRAM, 0));
    TRY("socket unix", socket(AF_UNIX, SOCK_STREAM, 0));
    TRY("socket netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    TRY("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    TRY("connect", connect(0, (struct sockaddr *)&home, sizeof home));
    TRY("sendmsg", sendto(0, "", 0, MSG_DONTWAIT, NULL, 0));
    TRY("recvmsg", recv(0, pair, 1, MSG_DONTWAIT | MSG_PEEK));
    TRY("shutdown", shutdown(0, SHUT_RD));
    TRY("pipe", pipe(pair));
    TRY("steal input of the terminal", ioctl(0, TIOCSTI, "x"));
}

static void processes(void)
{
    char *arguments[] = { "true", NULL };
    char some[8];
    pid_t parent = getppid(), spawned;
    pthread_t thread;
    struct iovec here = { some, sizeof some }, there = { &count, sizeof some };
    struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };
    TRY("fork", child(fork()));
    TRY("vfork", child(syscall(SYS_vfork)));
    TRY("clone into namespaces", child(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)));
    keep("posix_spawn", posix_spawn(&spawned, "/bin/true", NULL, NULL, arguments, NULL));
    keep("thread", pthread_create(&thread, NULL, nothing, NULL));
    TRY("execve", execve("/bin/true", arguments, environ));
    TRY("execveat", syscall(SYS_execveat, 3, "", arguments, environ, AT_EMPTY_PATH));
    TRY("ask whether the parent is there", kill(parent, 0));
    TRY("kill the parent", kill(parent, SIGKILL));
    TRY("kill the parent's thread", syscall(SYS_tgkill, parent, parent, SIGKILL));
    TRY("kill the group", kill(0, SIGURG));
    TRY("kill all", kill(-1, SIGURG));
    TRY("queue a signal", sigqueue(parent, SIGURG, (union sigval) { 0 }));
    TRY("ptrace the parent", ptrace(PTRACE_SEIZE, parent, 0, 0));
    TRY("ptrace 1", ptrace(PTRACE_SEIZE, 1, 0, 0));
    TRY("be traced", ptrace(PTRACE_TRACEME, 0, 0, 0));
    TRY("process_vm_readv", process_vm_readv(parent, &here, 1, &there, 1, 0));
    TRY("process_vm_writev", process_vm_writev(parent, &here, 1, &there, 1, 0));
    TRY("pidfd_open", syscall(SYS_pidfd_open, parent, 0));
    TRY("open the parent's memory", open("/proc/1/mem", O_RDONLY));
    TRY("kcmp", syscall(SYS_kcmp, parent, getpid(), 0, 0, 0));
    TRY("nice", setpriority(PRIO_PROCESS, 0, -5));
    TRY("raise a limit", setrlimit(RLIMIT_CPU, &more));
    TRY("limit the parent", syscall(SYS_prlimit64, parent, RLIMIT_CPU, NULL, &more));
    TRY("outlive the parent", prctl(PR_SET_PDEATHSIG, 0));
    TRY("be dumpable", prctl(PR_SET_DUMPABLE, 1));
    TRY("be traced by anybody", prctl(PR_SET_PTRACER, -1));
}

static void kernel(void)
{
    char some[256] = "";
    TRY("setuid", setuid(0));
    TRY("setresuid", setresuid(0, 0, 0));
    TRY("setgid", setgid(0));
    TRY("setgroups", syscall(SYS_setgroups, 0, NULL));
    TRY("capset", syscall(SYS_capset, some, some));
    TRY("unshare", unshare(CLONE_NEWUSER));
    TRY("setns", setns(0, 0));
    TRY("bpf", syscall(SYS_bpf, 0, some, sizeof some));
    TRY("io_uring_setup", syscall(SYS_io_uring_setup, 8, some));
    TRY("userfaultfd", syscall(SYS_userfaultfd, 0));
    TRY("perf_event_open", syscall(SYS_perf_event_open, some, 0, -1, -1, 0));
    TRY("keyctl", syscall(SYS_keyctl, 0, -3, 0));
    TRY("add_key", syscall(SYS_add_key, "user", "x", "x", 1, -3));
    TRY("shmget", syscall(SYS_shmget, 0, 4096, 0600));
    TRY("msgget", syscall(SYS_msgget, 0, 0600));
    TRY("mq_open", syscall(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, NULL));
    TRY("personality", syscall(SYS_personality, 0x0040000));
    TRY("seccomp", syscall(SYS_seccomp, 1, 0, NULL));
    TRY("inotify_init", syscall(SYS_inotify_init1, 0));
    TRY("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, some, 0));
    TRY("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    TRY("sethostname", sethostname("x", 1));
    TRY("alarm", syscall(SYS_setitimer, 0, NULL, NULL));
#ifdef __x86_64__
    TRY("getpid by x32", syscall(0x40000000 | SYS_getpid));
#endif
}

static void look_around(void)
{
    size_t at = 0;
    char where[64] = "", limit[64];
    for (int number = 0; number < 4096; number++)
        if (fcntl(number, F_GETFD) != -1)
            at += snprintf(found + at, sizeof found - at, "fd %d\n", number);
    for (char **one = environ; one && *one; one++)
        at += snprintf(found + at, sizeof found - at, "env %s\n", *one);
    at += snprintf(found + at, sizeof found - at, "uid %u %u gid %u %u\n", getuid(), geteuid(), getgid(), getegid());
    at += snprintf(found + at, sizeof found - at, "cwd %s\n", getcwd(where, sizeof where));
    static const int limits[] = { RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now = { 0, 0 };
        getrlimit(limits[i], &now);
        snprintf(limit, sizeof limit, "limit %d %llu %llu\n", limits[i], (unsigned long long)now.rlim_cur,
            (unsigned long long)now.rlim_max);
        at += snprintf(found + at, sizeof found - at, "%s", limit);
    }
}

__attribute__((constructor)) static void try_everything(void)
{
    look_around();
    files();
    network();
    processes();
    kernel();
}

static int32_t inspect(const unstale_process *process, const unstale_host *host)
{
    char text[300];
    (void)process;
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%d %s", tried[i].why, tried[i].what);
        host->note(host->ctx, unstale_str(text));
    }
    host->unknown(host->ctx, unstale_str(found));
    return 0;
}
UNSTALE_DETECTOR(inspect)
