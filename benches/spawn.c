/* A scene for the benchmark: many idle processes whose mappings look like those of real services.
 *
 *   spawn [-n PROCESSES] [-l MIN-MAX] [-u STALE] [-c CGROUP] [-p PER]
 *
 *   -n  processes (1000)
 *   -l  libraries that each maps (20-60)
 *   -u  so many of them (0) also map some of a few libraries that SIGUSR1 replaces by others: they are stale then
 *   -c  below this directory of the unified hierarchy, put every PER (-p, 5) processes into a unit of their own:
 *       CGROUP/system.slice/bench-NNNNN.service
 *
 * Libraries of the machine are mapped as the dynamic loader maps them, one mapping for each PT_LOAD segment and one more
 * where RELRO splits it, but nothing is relocated or touched: a process costs page tables and mappings only. The same
 * machine always gives the same scene.
 *
 * Prints "ready N" when all are up. On SIGUSR1 each of those few libraries is replaced by rename(2) by a copy with another
 * build-id, and "replaced N" is printed. That must happen on a mount of one's own: run.sh takes care. On SIGTERM all end.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POOL = 400, UPGRADED = 20, HEADERS = 64 };

struct lib {
	char *path;
	uint64_t id_at; /* where its build-id is in the file, 0 if it has none */
	size_t id_size;
};

static struct lib libs[POOL], upgraded[UPGRADED];
static size_t nlibs, nupgraded;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (value < 0 || value > 1000000 || (*end && *end != '-'))
		exit(2);
	return value;
}

/* The headers of a 64-bit shared object; the number of program headers, or 0. */
static int read_headers(int fd, Elf64_Phdr ph[HEADERS])
{
	Elf64_Ehdr eh;
	if (pread(fd, &eh, sizeof eh, 0) != (ssize_t)sizeof eh || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_type != ET_DYN || eh.e_phnum > HEADERS)
		return 0;
	ssize_t size = (ssize_t)(eh.e_phnum * sizeof *ph);
	return pread(fd, ph, (size_t)size, (off_t)eh.e_phoff) == size ? eh.e_phnum : 0;
}

static void find_build_id(int fd, const Elf64_Phdr *ph, int count, struct lib *lib)
{
	char note[4096];
	for (int i = 0; i < count; i++) {
		if (ph[i].p_type != PT_NOTE || ph[i].p_filesz > sizeof note ||
		    pread(fd, note, ph[i].p_filesz, (off_t)ph[i].p_offset) != (ssize_t)ph[i].p_filesz)
			continue;
		for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= ph[i].p_filesz;) {
			Elf64_Nhdr nh;
			memcpy(&nh, note + at, sizeof nh);
			size_t data = at + sizeof nh + ((nh.n_namesz + 3U) & ~3U);
			size_t next = data + ((nh.n_descsz + 3U) & ~3U);
			if (nh.n_type == NT_GNU_BUILD_ID && nh.n_descsz && next <= ph[i].p_filesz) {
				lib->id_at = ph[i].p_offset + data;
				lib->id_size = nh.n_descsz;
				return;
			}
			at = next;
		}
	}
}

/* Whether some process runs it: replacing it would make the measuring programs stale too. */
static int is_in_use(const char *path)
{
	glob_t maps;
	int found = 0;
	char line[8192];
	if (glob("/proc/[0-9]*/maps", 0, NULL, &maps))
		return 0;
	for (size_t i = 0; i < maps.gl_pathc && !found; i++) {
		FILE *file = fopen(maps.gl_pathv[i], "re");
		while (file && !found && fgets(line, sizeof line, file)) {
			char *name = strchr(line, '/');
			line[strcspn(line, "\n")] = 0;
			found = name && !strcmp(name, path);
		}
		if (file)
			fclose(file);
	}
	globfree(&maps);
	return found;
}

static void find_libs(void)
{
	glob_t found;
	Elf64_Phdr ph[HEADERS];
	struct stat st;
	if (glob("/usr/lib/*-linux-gnu/*.so*", 0, NULL, &found) && glob("/usr/lib64/*.so*", 0, NULL, &found))
		exit(2);
	for (size_t i = 0; i < found.gl_pathc && nlibs < POOL; i++) {
		struct lib lib = {.path = found.gl_pathv[i]};
		if (lstat(lib.path, &st) || !S_ISREG(st.st_mode))
			continue;
		int fd = open(lib.path, O_RDONLY | O_CLOEXEC);
		int count = fd < 0 ? 0 : read_headers(fd, ph);
		if (count) {
			find_build_id(fd, ph, count, &lib);
			if (i % 16 == 0 && nupgraded < UPGRADED && lib.id_at && !is_in_use(lib.path))
				upgraded[nupgraded++] = lib;
			else
				libs[nlibs++] = lib;
		}
		if (fd >= 0)
			close(fd);
	}
	if (nlibs < 20 || !nupgraded) {
		fprintf(stderr, "spawn: too few shared libraries on this machine\n");
		exit(2);
	}
}

static void map_lib(const char *path)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), lo = UINT64_MAX, hi = 0;
	Elf64_Phdr ph[HEADERS];
	int fd = open(path, O_RDONLY | O_CLOEXEC), count = fd < 0 ? 0 : read_headers(fd, ph);
	for (int i = 0; i < count; i++)
		if (ph[i].p_type == PT_LOAD) {
			lo = ph[i].p_vaddr / page * page < lo ? ph[i].p_vaddr / page * page : lo;
			hi = ph[i].p_vaddr + ph[i].p_memsz > hi ? ph[i].p_vaddr + ph[i].p_memsz : hi;
		}
	char *base = hi ? mmap(NULL, hi - lo, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) : MAP_FAILED;
	if (base == MAP_FAILED)
		die(path);
	for (int i = 0; i < count; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_filesz) {
			uint64_t skew = ph[i].p_vaddr % page;
			int prot = (ph[i].p_flags & PF_R ? PROT_READ : 0) | (ph[i].p_flags & PF_W ? PROT_WRITE : 0) |
				   (ph[i].p_flags & PF_X ? PROT_EXEC : 0);
			if (mmap(base + (ph[i].p_vaddr - skew - lo), ph[i].p_filesz + skew, prot, MAP_PRIVATE | MAP_FIXED, fd,
				 (off_t)(ph[i].p_offset - skew)) == MAP_FAILED)
				die(path);
		}
	for (int i = 0; i < count; i++)
		if (ph[i].p_type == PT_GNU_RELRO) {
			uint64_t from = ph[i].p_vaddr / page * page, to = (ph[i].p_vaddr + ph[i].p_memsz) / page * page;
			if (to > from && mprotect(base + (from - lo), to - from, PROT_READ))
				die(path);
		}
	close(fd);
}

static void replace(const struct lib *lib)
{
	char to[4096], bytes[65536];
	unsigned char first;
	ssize_t size;
	snprintf(to, sizeof to, "%s.bench-new", lib->path);
	int in = open(lib->path, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (in < 0 || out < 0)
		die(lib->path);
	while ((size = read(in, bytes, sizeof bytes)) > 0)
		if (write(out, bytes, (size_t)size) != size)
			die(to);
	if (pread(out, &first, 1, (off_t)lib->id_at) != 1)
		die(to);
	first ^= 0xff;
	if (pwrite(out, &first, 1, (off_t)lib->id_at) != 1 || close(out) || rename(to, lib->path))
		die(to);
	close(in);
}

/* Becomes a member of the unit; makes it if it is not there yet. */
static void enter(const char *cgroup, long unit)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/system.slice", cgroup);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/system.slice/bench-%05ld.service", cgroup, unit);
	mkdir(path, 0755);
	strncat(path, "/cgroup.procs", sizeof path - strlen(path) - 1);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static void leave(const char *cgroup, long units)
{
	char path[4096];
	for (long unit = 0; unit < units; unit++) {
		snprintf(path, sizeof path, "%s/system.slice/bench-%05ld.service", cgroup, unit);
		for (int tries = 0; tries < 100 && rmdir(path) && errno == EBUSY; tries++)
			usleep(10000);
	}
	snprintf(path, sizeof path, "%s/system.slice", cgroup);
	rmdir(path);
}

int main(int argc, char **argv)
{
	long n = 1000, min = 20, max = 60, stale = 0, per = 5;
	const char *cgroup = NULL;
	int opt, ready[2], sig;
	while ((opt = getopt(argc, argv, "n:l:u:c:p:")) != -1)
		switch (opt) {
		case 'n': n = number(optarg); break;
		case 'l':
			min = max = number(optarg);
			if (strchr(optarg, '-'))
				max = number(strchr(optarg, '-') + 1);
			break;
		case 'u': stale = number(optarg); break;
		case 'c': cgroup = optarg; break;
		case 'p': per = number(optarg); break;
		default: return 2;
		}
	if (n < 1 || min < 3 || max < min || stale > n || per < 1)
		return 2;
	find_libs();
	pid_t *pids = calloc((size_t)n, sizeof *pids);
	sigset_t wanted;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGUSR1);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	if (!pids || pipe2(ready, O_CLOEXEC))
		die("spawn");
	for (long i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (pids[i])
			continue;
		unsigned seed = (unsigned)i * 7919U + 1U;
		long count = min + (long)(rand_r(&seed) % (unsigned)(max - min + 1)), old = 0;
		char name[32];
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(name, sizeof name, "bench-%ld", i);
		prctl(PR_SET_NAME, name);
		if (cgroup)
			enter(cgroup, i / per);
		if (i < stale)
			old = 1 + (long)(rand_r(&seed) % 3U);
		for (long j = 0; j < old; j++)
			map_lib(upgraded[((size_t)i + (size_t)j) % nupgraded].path);
		for (long j = old; j < count; j++)
			map_lib(libs[(unsigned)rand_r(&seed) % nlibs].path);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	for (long i = 0; i < n; i++) {
		char byte;
		if (read(ready[0], &byte, 1) != 1) {
			fprintf(stderr, "spawn: some processes did not come up\n");
			return 1;
		}
	}
	printf("ready %ld\n", n);
	fflush(stdout);
	while (!sigwait(&wanted, &sig) && sig == SIGUSR1) {
		for (size_t i = 0; i < nupgraded; i++)
			replace(&upgraded[i]);
		printf("replaced %zu\n", nupgraded);
		fflush(stdout);
	}
	for (long i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (long i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
	if (cgroup)
		leave(cgroup, (n + per - 1) / per);
	return 0;
}
