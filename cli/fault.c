/* fault.c - a mapped file that is cut off while it is in use: the system then ends the program with SIGBUS, which says nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Only what may be called in a signal handler: the file of an address is looked up in /proc/self/maps, whose lines read
 * "FROM-TO rw-p OFFSET DEVICE INODE    /PATH". */
typedef struct lines {
    int fd;
    char buf[4096];
    size_t n, at;
} lines;

static int next_char(lines *l)
{
    if (l->at == l->n) {
        const ssize_t k = read(l->fd, l->buf, sizeof l->buf);
        l->n = k > 0 ? (size_t)k : 0;
        l->at = 0;
    }
    return l->at < l->n ? (unsigned char)l->buf[l->at++] : -1;
}

static int next_hex(lines *l, uintptr_t *v)
{
    int c;
    *v = 0;
    while ((c = next_char(l)) >= 0) {
        if (c >= '0' && c <= '9')
            *v = *v << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *v = *v << 4 | (uintptr_t)(c - 'a' + 10);
        else
            break;
    }
    return c;
}

/* The path of the line, empty if it has none: what follows the first '/' of the line. */
static int rest_of_line(lines *l, char *path, size_t cap)
{
    size_t n = 0;
    int c;
    while ((c = next_char(l)) >= 0 && c != '\n')
        if ((n || c == '/') && n + 1 < cap) path[n++] = (char)c;
    path[n] = '\0';
    return c;
}

static bool find_file(char *path, size_t cap, uintptr_t address)
{
    lines l = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    bool found = false;
    for (int c = 0; l.fd >= 0 && c >= 0 && !found;) {
        uintptr_t from, to;
        if (next_hex(&l, &from) < 0 || next_hex(&l, &to) < 0) break;
        c = rest_of_line(&l, path, cap);
        found = from <= address && address < to;
    }
    if (l.fd >= 0) close(l.fd);
    return found && path[0];
}

static void say(const char *s)
{
    size_t n = strlen(s);
    while (n) {
        const ssize_t k = write(STDERR_FILENO, s, n);
        if (k <= 0) return;
        s += k;
        n -= (size_t)k;
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    static atomic_flag taken = ATOMIC_FLAG_INIT;
    char path[4096];
    (void)context;
    while (atomic_flag_test_and_set(&taken)) pause(); /* another thread is saying it, and ends the program */
    if (info->si_code == BUS_ADRERR && find_file(path, sizeof path, (uintptr_t)info->si_addr)) {
        say("\ngopro: '");
        say(path);
        say("' cannot be read any more: it was cut off while it was in use, or its disk fails; start again when it is whole\n");
        _exit(gopro_exit_status(GOPRO_E_WEIGHTS));
    }
    /* Something else: as if this handler were not there. */
    signal(number, SIG_DFL);
    atomic_flag_clear(&taken);
}

void cli_watch_faults(void)
{
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&a.sa_mask);
    sigaction(SIGBUS, &a, NULL);
}
