/* Runs commands in turn, A B C A B C ..., and prints how long each took against the others of the same turn: a ratio
 * taken turn by turn holds when the machine's speed drifts.
 *
 *   pace TURNS ++ LABEL COMMAND [ARG...] [++ LABEL COMMAND [ARG...]]...
 *
 * One turn more goes before, and is not counted. Output of the commands is thrown away. Prints, separated by tabs:
 *
 *   took   LABEL        MIN MEDIAN MAX (wall, ms)  MEDIAN (cpu, ms)  MAX (peak memory, KiB)  STATUS (of the last run)
 *   ratio  LABEL OTHER  MIN MEDIAN MAX (wall of LABEL / wall of OTHER)
 *
 * Peak memory is that of the largest process among the command and the children that it waited for.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 16, TURNS = 1000 };

struct command {
	const char *label;
	char **argv;
	double wall[TURNS], cpu[TURNS];
	long peak;
	int status;
};

static struct command commands[COMMANDS];

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(struct command *c, double *wall, double *cpu)
{
	struct rusage usage;
	int status;
	double begun = now();
	pid_t pid = vfork();
	if (pid < 0) {
		perror("vfork");
		exit(1);
	}
	if (!pid) {
		execvp(c->argv[0], c->argv);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) != pid)
		exit(1);
	*wall = now() - begun;
	*cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
	c->peak = usage.ru_maxrss > c->peak ? usage.ru_maxrss : c->peak;
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void spread(FILE *out, const double *values, size_t count, double unit)
{
	double sorted[TURNS];
	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, ascending);
	double median = (sorted[count / 2] + sorted[(count - 1) / 2]) / 2;
	fprintf(out, "\t%.4f\t%.4f\t%.4f", sorted[0] * unit, median * unit, sorted[count - 1] * unit);
}

int main(int argc, char **argv)
{
	size_t n = 0, turns = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "++"))
			continue;
		argv[i] = NULL; /* ends the command before */
		if (n == COMMANDS || i + 2 >= argc)
			return 2;
		commands[n].label = argv[i + 1];
		commands[n++].argv = argv + i + 2;
	}
	if (!n || !turns || turns > TURNS)
		return 2;
	/* The commands inherit /dev/null; the results go where stdout was. */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	FILE *out = kept < 0 ? NULL : fdopen(kept, "w");
	if (null < 0 || !out || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return 1;
	for (size_t turn = 0; turn <= turns; turn++)
		for (size_t i = 0; i < n; i++) {
			double wall, cpu;
			run(&commands[i], &wall, &cpu);
			if (turn) {
				commands[i].wall[turn - 1] = wall;
				commands[i].cpu[turn - 1] = cpu;
			}
		}
	for (size_t i = 0; i < n; i++) {
		double sorted[TURNS];
		memcpy(sorted, commands[i].cpu, turns * sizeof *sorted);
		qsort(sorted, turns, sizeof *sorted, ascending);
		fprintf(out, "took\t%s", commands[i].label);
		spread(out, commands[i].wall, turns, 1000);
		fprintf(out, "\t%.4f\t%ld\t%d\n", sorted[turns / 2] * 1000, commands[i].peak, commands[i].status);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			double ratio[TURNS];
			if (i == j)
				continue;
			for (size_t turn = 0; turn < turns; turn++)
				ratio[turn] = commands[i].wall[turn] / commands[j].wall[turn];
			fprintf(out, "ratio\t%s\t%s", commands[i].label, commands[j].label);
			spread(out, ratio, turns, 1);
			fprintf(out, "\n");
		}
	return fclose(out) ? 1 : 0;
}
