/* An example of a detector in C: says which program files an awk runs.
 *
 *     cc -std=c11 -shared -fPIC -fvisibility=hidden -Wl,-z,now -I ../../sdk/include -o awk-c.so awk.c
 *
 * The same in Rust and as an executable in Python is beside it. They are held together by the same tests. */
#include "unstale_plugin.h"

#include <stdio.h>

UNSTALE_MANIFEST(
    "name = \"awk-c\"\n"
    "version = \"0.1.0\"\n"
    "abi = \"1.0\"\n"
    "kind = \"interpreter\"\n"
    "summary = \"program files of awk (an example in C)\"\n"
    "\n"
    "[interest]\n"
    "exe = [\"gawk*\", \"mawk*\", \"original-awk\"]\n"
    "\n"
    "[wants]\n"
    "environ = [\"AWKPATH\"]\n")

enum {
    WANTED_CAP = 200, /* more files than any program has; a hostile one must end */
    PATH_CAP = 4096
};

/* A file that is asked for. */
struct wanted {
    char name[PATH_CAP]; /* as it is given */
    size_t name_len;
    char path[PATH_CAP]; /* where it was found; empty if it was not looked for, or is another one's */
    size_t path_len;
    uint32_t role, how;
    const struct wanted *via;
};

/* One thread and one process at a time: static is fine. */
static struct wanted wanted[WANTED_CAP];
static size_t count;
static int overflow;

static unstale_bytes name_of(const struct wanted *file)
{
    unstale_bytes name = { (const uint8_t *)file->name, file->name_len };
    return name;
}

static unstale_bytes path_of(const struct wanted *file)
{
    unstale_bytes path = { (const uint8_t *)file->path, file->path_len };
    return path;
}

static void want(unstale_bytes name, uint32_t role, uint32_t how, const struct wanted *via)
{
    struct wanted *file;
    size_t at;
    for (at = 0; at < count; at++)
        if (unstale_same(name_of(&wanted[at]), name))
            return;
    if (count == WANTED_CAP || name.len > PATH_CAP) {
        overflow = 1;
        return;
    }
    file = &wanted[count++];
    if (name.len > 0)
        memcpy(file->name, name.ptr, name.len);
    file->name_len = name.len;
    file->path_len = 0;
    file->role = role;
    file->how = how;
    file->via = via;
}

/* ---- The command line: awk(1p), gawk(1), mawk(1) ---- */

/* A letter for a long option that takes an argument. */
static char letter_of(unstale_bytes name)
{
    static const struct { const char *name; char letter; } known[] = {
        { "file", 'f' }, { "exec", 'E' }, { "include", 'i' }, { "source", 'e' }, { "assign", 'v' }, { "load", 'l' },
        { "field-separator", 'F' },
    };
    size_t at;
    for (at = 0; at < sizeof known / sizeof *known; at++)
        if (unstale_is(name, known[at].name))
            return known[at].letter;
    return 0;
}

/* The first option with an argument in a word, or 0; in *argument what the word has of it, in *has whether it has. */
static char option_of(unstale_bytes word, unstale_bytes *argument, int *has)
{
    size_t at;
    *has = 0;
    if (unstale_starts(word, "--")) {
        unstale_bytes name = unstale_skip(word, 2);
        const uint8_t *equals = memchr(name.ptr, '=', name.len);
        if (equals) {
            *has = 1;
            *argument = unstale_skip(name, (size_t)(equals - name.ptr) + 1);
            name.len = (size_t)(equals - name.ptr);
        }
        return letter_of(name);
    }
    for (at = 1; at < word.len; at++) {
        if (word.ptr[at] && strchr("FvfieElW", word.ptr[at])) {
            *argument = unstale_skip(word, at + 1);
            *has = argument->len > 0;
            return (char)word.ptr[at];
        }
        if (word.ptr[at] && strchr("dDLop", word.ptr[at]))
            break;
    }
    return 0;
}

static void want_of_command_line(const unstale_process *process)
{
    size_t at;
    for (at = 1; at < process->argv.count; at++) {
        unstale_bytes word = unstale_argument(process, at), argument;
        char option;
        int has;
        if (!unstale_starts(word, "-") || unstale_is(word, "-") || unstale_is(word, "--"))
            return;
        option = option_of(word, &argument, &has);
        if (!option)
            continue;
        if (!has) {
            if (++at == process->argv.count)
                return;
            argument = unstale_argument(process, at);
        }
        if (option == 'f' || option == 'E')
            want(argument, UNSTALE_SCRIPT, UNSTALE_LOADED, NULL);
        if (option == 'i')
            want(argument, UNSTALE_MODULE, UNSTALE_LOADED, NULL);
        if (option == 'E')
            return; /* what follows are arguments of the program */
    }
}

/* ---- Files ---- */

static int is_gawk(const unstale_process *process)
{
    return unstale_starts(unstale_base_name(process->exe), "gawk");
}

/* Puts directory, name and suffix together; 0 if that cannot be done. awk never changes its directory, so that of now is
 * that of its start. */
static int put(struct wanted *file, const unstale_process *process, unstale_bytes directory, const char *suffix)
{
    char buffer[PATH_CAP];
    unstale_bytes path;
    unstale_bytes from = process->cwd.present ? process->cwd.value : unstale_str("");
    if (unstale_starts(name_of(file), "/"))
        from = unstale_str("/");
    from = unstale_join(buffer, sizeof buffer, from, directory);
    path = unstale_join(file->path, sizeof file->path, from, name_of(file));
    file->path_len = path.len;
    if (path.len == 0 || path.len + strlen(suffix) > sizeof file->path)
        return 0;
    memcpy(file->path + path.len, suffix, strlen(suffix));
    file->path_len += strlen(suffix);
    return 1;
}

/* Finds the path of a file; 0 if there is none. */
static int find(struct wanted *file, const unstale_process *process, const unstale_host *host)
{
    static const char *const suffixes[] = { "", ".awk" };
    const unstale_bytes *awkpath = unstale_value(process->environ, "AWKPATH");
    unstale_bytes search = awkpath ? *awkpath : unstale_str(".:/usr/share/awk");
    size_t suffix;
    if (file->name_len > 0 && memchr(file->name, '/', file->name_len))
        search = unstale_str(".");
    for (suffix = 0; is_gawk(process) && suffix < 2; suffix++) {
        unstale_bytes rest = search;
        for (;;) {
            const uint8_t *colon = rest.len > 0 ? memchr(rest.ptr, ':', rest.len) : NULL;
            unstale_bytes directory = rest;
            unstale_stat stat;
            if (colon)
                directory.len = (size_t)(colon - rest.ptr);
            if (!put(file, process, directory, suffixes[suffix]))
                return 0;
            if (unstale_stat_of(host, UNSTALE_ROOT_PROCESS, path_of(file), &stat) == UNSTALE_OK
                && stat.kind == UNSTALE_FILE)
                return 1;
            if (!colon)
                break;
            rest = unstale_skip(rest, directory.len + 1);
        }
    }
    /* What is not there is named all the same: the host knows what it means that it is gone. */
    return put(file, process, unstale_str("."), "");
}

static unstale_bytes without_blanks(unstale_bytes text)
{
    while (text.len > 0 && memchr(" \t\r\f\n", text.ptr[0], 5))
        text = unstale_skip(text, 1);
    return text;
}

/* Lines of `@include "NAME"`. gawk reads them all before it begins. */
static void want_included(const struct wanted *file, const unstale_host *host)
{
    unstale_bytes text;
    int32_t answer = unstale_read(host, UNSTALE_ROOT_PROCESS, path_of(file), &text);
    if (answer == UNSTALE_MISSING)
        return;
    if (answer != UNSTALE_OK) {
        char line[PATH_CAP + 32];
        snprintf(line, sizeof line, "cannot read %.*s", (int)file->path_len, file->path);
        unstale_unknown(host, line);
        return;
    }
    /* `text` is lent until the next question, and none is asked before its end. */
    while (text.len > 0) {
        const uint8_t *newline = memchr(text.ptr, '\n', text.len), *quote;
        unstale_bytes line = text;
        if (newline)
            line.len = (size_t)(newline - text.ptr);
        text = unstale_skip(text, line.len + 1);
        line = without_blanks(line);
        if (!unstale_starts(line, "@include"))
            continue;
        line = without_blanks(unstale_skip(line, strlen("@include")));
        if (!unstale_starts(line, "\""))
            continue;
        line = unstale_skip(line, 1);
        quote = line.len > 0 ? memchr(line.ptr, '"', line.len) : NULL;
        if (!quote)
            continue;
        line.len = (size_t)(quote - line.ptr);
        want(line, UNSTALE_MODULE, UNSTALE_IMPORTED, file);
    }
}

static int is_known(size_t index)
{
    size_t at;
    for (at = 0; at < index; at++)
        if (unstale_same(path_of(&wanted[at]), path_of(&wanted[index])))
            return 1;
    return 0;
}

static int32_t inspect(const unstale_process *process, const unstale_host *host)
{
    size_t at;
    count = 0;
    overflow = 0;
    want_of_command_line(process);
    for (at = 0; at < count; at++) {
        struct wanted *file = &wanted[at];
        unstale_bytes via;
        if (unstale_is(name_of(file), "-") || unstale_is(name_of(file), "/dev/stdin")) {
            unstale_note_text(host, "a program from the standard input is not judged");
            continue;
        }
        if (!find(file, process, host)) {
            file->path_len = 0;
            unstale_unknown(host, "a relative name, and the working directory is not known");
            continue;
        }
        if (is_known(at))
            continue;
        if (file->via)
            via = path_of(file->via);
        unstale_uses_file(host, path_of(file), file->role, file->how, file->via ? &via : NULL);
        if (is_gawk(process))
            want_included(file, host);
    }
    if (overflow)
        unstale_unknown(host, "more than 200 program files");
    return 0;
}

UNSTALE_DETECTOR(inspect)
