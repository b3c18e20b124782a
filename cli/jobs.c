/* jobs.c - several runs at the same time: a process for each, as many as the memory takes.  The first child only plans; what the children
 * say comes back through pipes, line by line. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define MARGIN_MIB 64 /* what a run needs beyond its training step and its shots: batches, features */

typedef struct job {
    char *title;
    double seconds;
    size_t mib;
    bool todo;
    /* while it runs */
    pid_t pid;
    int from;
    char line[1200]; /* of its pipe, as far as it has come */
    size_t len;
    double share; /* done */
} job;

typedef struct jobs {
    cli *c;
    const gopro_plan_request *q;
    job *job;
    size_t n, todo, finished, running, used_mib, limit_mib, most;
    double start, estimated; /* estimated: seconds of the runs that ended */
    bool told;
    int status;
    char *name;
} jobs;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* ---- in a child ---- */

typedef struct child {
    int to;
    double last;
} child;

static void say(const child *ch, char kind, const char *text)
{
    char line[1100];
    int n = snprintf(line, sizeof line, "%c%s", kind, text);
    if (n >= (int)sizeof line) n = (int)sizeof line - 1;
    for (int i = 0; i < n; i++)
        if (line[i] == '\n') line[i] = ' ';
    line[n++] = '\n';
    for (const char *p = line; n > 0;) {
        ssize_t k = write(ch->to, p, (size_t)n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return; /* nobody listens any more */
        p += k;
        n -= (int)k;
    }
}

static void child_log(void *user, gopro_log_level level, const char *text)
{
    if (level != GOPRO_LOG_DEBUG) say(user, level == GOPRO_LOG_WARN ? 'W' : 'I', text);
}

static void child_progress(void *user, const gopro_progress *p)
{
    child *ch = user;
    char text[64];
    double t = now();
    if (strcmp(p->what, "train") != 0 || p->total == 0 || t - ch->last < 0.5) return;
    ch->last = t;
    snprintf(text, sizeof text, "%.4f", (double)p->done / (double)p->total);
    say(ch, 'P', text);
}

static gopro_status plan(gopro_plan **p, gopro_model **m, cli *c, const gopro_plan_request *q, gopro_error *err)
{
    gopro_status st = gopro_model_load(m, cli_model_folder(c), c->config, err);
    return st == GOPRO_OK ? gopro_plan_create(p, *m, c->config, q, err) : st;
}

/* Says what there is to run; what is done is looked at again on the way, so that a run of other data is found. */
static gopro_status child_plan(cli *c, const gopro_plan_request *q, const child *ch, gopro_error *err)
{
    gopro_plan *p = NULL;
    gopro_model *m = NULL;
    gopro_status st = plan(&p, &m, c, q, err);
    const char *warning = m ? gopro_model_warning(m) : NULL;
    if (warning) say(ch, 'W', warning);
    if (st == GOPRO_OK) say(ch, 'N', gopro_plan_name(p));
    for (size_t i = 0; st == GOPRO_OK && i < gopro_plan_run_count(p); i++) {
        gopro_estimate e;
        gopro_error mine = {0};
        char text[512], *title = gopro_plan_run_title(p, i);
        if (cli_interrupted()) st = GOPRO_E_CANCELLED;
        if (st == GOPRO_OK) st = gopro_plan_estimate(&e, c->context, p, i, err);
        if (st == GOPRO_OK && e.done && gopro_plan_run(c->context, p, i, &mine) == GOPRO_E_CANCELLED) st = GOPRO_E_CANCELLED;
        if (st == GOPRO_OK) {
            snprintf(text, sizeof text, "%d %.6f %zu %s", e.done, e.seconds, e.peak_rss_mib, title ? title : "");
            say(ch, 'R', text);
        }
        gopro_string_free(title);
    }
    gopro_plan_free(&p);
    gopro_model_free(&m);
    return st;
}

static gopro_status child_run(cli *c, const gopro_plan_request *q, size_t i, gopro_error *err)
{
    gopro_plan *p = NULL;
    gopro_model *m = NULL;
    gopro_status st = plan(&p, &m, c, q, err);
    if (st == GOPRO_OK) st = gopro_plan_run(c->context, p, i, err);
    gopro_plan_free(&p);
    gopro_model_free(&m);
    return st;
}

/* Starts run i, or the planning with i == SIZE_MAX. */
static bool start(jobs *x, job *j, size_t i)
{
    int end[2];
    pid_t parent = getpid();
    if (pipe2(end, O_CLOEXEC) != 0) return false;
    fflush(NULL);
    j->pid = fork();
    if (j->pid < 0) {
        close(end[0]);
        close(end[1]);
        return false;
    }
    if (j->pid > 0) {
        close(end[1]);
        j->from = end[0];
        j->len = 0;
        fcntl(j->from, F_SETFL, O_NONBLOCK);
        return true;
    }
    close(end[0]);
    setpgid(0, 0); /* a key press reaches the parent alone, which passes it on once */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    signal(SIGPIPE, SIG_IGN);
    child ch = {.to = end[1]};
    gopro_error err = {0};
    gopro_context_set_log(x->c->context, child_log, &ch);
    gopro_context_set_progress(x->c->context, child_progress, &ch);
    gopro_status st = i == SIZE_MAX ? child_plan(x->c, x->q, &ch, &err) : child_run(x->c, x->q, i, &err);
    if (st != GOPRO_OK) {
        char text[1080];
        snprintf(text, sizeof text, "%d %s", (int)st, err.msg[0] ? err.msg : "failed");
        say(&ch, 'E', text);
    }
    _exit(gopro_exit_status(st));
}

/* ---- in the parent ---- */

static bool add_job(jobs *x, const char *text)
{
    job *more = realloc(x->job, (x->n + 1) * sizeof *more);
    if (!more) return false;
    x->job = more;
    job *j = &x->job[x->n];
    int done, at = 0;
    *j = (job){.from = -1};
    if (sscanf(text, "%d %lf %zu %n", &done, &j->seconds, &j->mib, &at) != 3 || !(j->title = strdup(text + at))) return false;
    j->todo = !done;
    j->mib += j->mib / 10 + MARGIN_MIB;
    if (j->seconds < 1.0) j->seconds = 1.0; /* loading and testing take their time too */
    x->todo += j->todo;
    x->n++;
    return true;
}

static void hear(jobs *x, job *j, const char *line)
{
    char *end;
    switch (line[0]) {
    case 'R':
        if (!add_job(x, line + 1)) x->status = 1;
        return;
    case 'N':
        free(x->name);
        x->name = strdup(line + 1);
        return;
    case 'P':
        j->share = strtod(line + 1, NULL);
        return;
    case 'W': {
        char text[1400];
        bool named = !j->title || strncmp(line + 1, j->title, strlen(j->title)) == 0;
        snprintf(text, sizeof text, "%.250s%s%s", named ? "" : j->title, named ? "" : ": ", line + 1);
        cli_warn(x->c, text);
        return;
    }
    case 'I': /* only what the run came to; of many at once the rest is too much */
        if (j->title && strncmp(line + 1, j->title, strlen(j->title)) == 0) cli_note(x->c, line + 1);
        return;
    case 'E': {
        gopro_error err = {0};
        long st = strtol(line + 1, &end, 10);
        snprintf(err.msg, sizeof err.msg, "%s", *end ? end + 1 : end);
        if (!j->title) { /* the plan itself */
            x->status = cli_fail(x->c, (gopro_status)st, &err);
        } else if (st != GOPRO_E_CANCELLED) {
            char text[1100];
            snprintf(text, sizeof text, "failed: %s", err.msg);
            cli_warn(x->c, text);
            if (st == GOPRO_E_NOMEM) x->status = gopro_exit_status(GOPRO_E_NOMEM);
        }
        return;
    }
    default:
        return;
    }
}

/* Takes what has come through a pipe; false at its end. */
static bool listen_to(jobs *x, job *j)
{
    char chunk[4096];
    ssize_t n = read(j->from, chunk, sizeof chunk);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    for (ssize_t i = 0; i < n; i++) {
        if (chunk[i] != '\n' && j->len + 1 < sizeof j->line) {
            j->line[j->len++] = chunk[i];
        } else if (chunk[i] == '\n') {
            j->line[j->len] = '\0';
            j->len = 0;
            hear(x, j, j->line);
        }
    }
    return true;
}

static void pass_on(const jobs *x, const job *plan_job)
{
    if (plan_job) kill(plan_job->pid, SIGINT);
    for (size_t i = 0; i < x->n; i++)
        if (x->job[i].pid > 0) kill(x->job[i].pid, SIGINT);
}

static double seconds_left(const jobs *x)
{
    double left = 0.0, done = x->estimated;
    for (size_t i = 0; i < x->n; i++) {
        const job *j = &x->job[i];
        if (!j->todo) continue;
        left += j->seconds * (1.0 - (j->pid > 0 ? j->share : 0.0));
        if (j->pid > 0) done += j->seconds * j->share;
    }
    /* at the pace so far; before that as estimated, side by side */
    double t = now() - x->start;
    return done > 0.0 && t > 2.0 ? t / done * left : left / (double)x->most;
}

static void tell(const jobs *x, bool plain)
{
    char line[512], left[32];
    size_t n;
    cli_duration(left, seconds_left(x));
    n = (size_t)snprintf(line, sizeof line, "%zu of %zu runs done, about %s left", x->finished, x->todo, left);
    if (plain) {
        if (x->finished < x->todo) cli_note(x->c, line);
        return;
    }
    for (size_t i = 0; i < x->n && n < sizeof line; i++)
        if (x->job[i].pid > 0) n += (size_t)snprintf(line + n, sizeof line - n, "; %s %.0f %%", x->job[i].title, 100.0 * x->job[i].share);
    cli_status(x->c, line);
}

static void end_job(jobs *x, job *j)
{
    int how = 0;
    while (waitpid(j->pid, &how, 0) < 0 && errno == EINTR) {
    }
    close(j->from);
    j->pid = 0;
    j->from = -1;
    if (!j->title) {
        if (WIFSIGNALED(how) && !x->status) {
            gopro_error err = {0};
            snprintf(err.msg, sizeof err.msg, "the process that plans the runs was killed by signal %d", WTERMSIG(how));
            x->status = cli_fail(x->c, GOPRO_E_NOMEM, &err);
        }
        return;
    }
    if (WIFSIGNALED(how)) {
        char text[300];
        snprintf(text, sizeof text, "%.200s: the process was killed by signal %d", j->title, WTERMSIG(how));
        cli_warn(x->c, text);
    }
    j->todo = false;
    x->running--;
    x->used_mib -= j->mib;
    x->estimated += j->seconds;
    x->finished++;
    tell(x, true);
}

/* Starts whatever fits beside what is running; a run larger than the limit only alone. */
static void start_more(jobs *x)
{
    for (size_t i = 0; i < x->n && x->running < x->most && !cli_interrupted() && !x->status; i++) {
        job *j = &x->job[i];
        if (!j->todo || j->pid > 0 || (x->running > 0 && x->used_mib + j->mib > x->limit_mib)) continue;
        if (x->running == 0 && j->mib > x->limit_mib) {
            char text[400];
            snprintf(text, sizeof text, "%.200s needs about %zu MiB, more than the %zu MiB allowed; it runs alone", j->title, j->mib,
                     x->limit_mib);
            cli_warn(x->c, text);
        }
        if (!start(x, j, i)) {
            if (x->running == 0) x->status = 1;
            return;
        }
        x->running++;
        x->used_mib += j->mib;
    }
}

/* Waits until something has come through a pipe, at most half a second. */
static void attend(jobs *x, job *plan_job)
{
    struct pollfd *fd = calloc(x->n + 1, sizeof *fd);
    job **of = calloc(x->n + 1, sizeof *of);
    nfds_t n = 0;
    if (fd && of) {
        if (plan_job) of[n++] = plan_job;
        for (size_t i = 0; i < x->n; i++)
            if (x->job[i].pid > 0) of[n++] = &x->job[i];
        for (nfds_t i = 0; i < n; i++) fd[i] = (struct pollfd){.fd = of[i]->from, .events = POLLIN};
        int ready = poll(fd, n, 500);
        for (nfds_t i = 0; ready > 0 && i < n; i++)
            if (fd[i].revents && !listen_to(x, of[i])) end_job(x, of[i]);
    }
    free(fd);
    free(of);
    if (cli_interrupted() && !x->told) {
        pass_on(x, plan_job);
        x->told = true;
    }
}

/* MiB that are free, for a process in this memory group. */
static size_t free_mib(void)
{
    unsigned long long kib = 0, value = 0, most = 0, used = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &value) == 1) kib = value;
    if (f) fclose(f);
    FILE *max = fopen("/sys/fs/cgroup/memory.max", "r"), *now_used = fopen("/sys/fs/cgroup/memory.current", "r");
    if (max && now_used && fscanf(max, "%llu", &most) == 1 && fscanf(now_used, "%llu", &used) == 1 && most > used &&
        (kib == 0 || (most - used) / 1024 < kib))
        kib = (most - used) / 1024;
    if (max) fclose(max);
    if (now_used) fclose(now_used);
    return kib > 0 ? (size_t)(kib / 1024 * 9 / 10) : 4096;
}

static void say_plan(const jobs *x)
{
    size_t most = 0;
    double total = 0.0;
    char line[300], time[32];
    if (x->todo == 0) {
        snprintf(line, sizeof line, "nothing to do: all %zu runs are done", x->n);
        cli_note(x->c, line);
        return;
    }
    for (size_t i = 0; i < x->n; i++) {
        if (!x->job[i].todo) continue;
        total += x->job[i].seconds;
        if (x->job[i].mib > most) most = x->job[i].mib;
    }
    cli_duration(time, total / (double)x->most);
    snprintf(line, sizeof line, "%zu run%s to do; about %s with %zu at a time; up to %zu MiB each of the %zu MiB allowed", x->todo,
             x->todo == 1 ? "" : "s", time, x->most, most, x->limit_mib);
    cli_note(x->c, line);
}

/* Threads for each job, unless the user said how many. */
static void share_threads(cli *c, size_t n)
{
    char text[32], *set = gopro_config_get(c->config, "threads");
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(text, sizeof text, "%ld", online / (long)n > 1 ? online / (long)n : 1);
    if (set && strcmp(set, "0") == 0) gopro_config_set(c->config, "threads", text, NULL);
    gopro_string_free(set);
}

int cli_run_jobs(cli *c, const gopro_plan_request *q, size_t n, size_t memory, char **name)
{
    jobs x = {.c = c, .q = q, .most = n, .limit_mib = memory ? memory : free_mib()};
    job planning = {.from = -1};
    share_threads(c, n);
    if (!start(&x, &planning, SIZE_MAX)) {
        gopro_error err = {0};
        snprintf(err.msg, sizeof err.msg, "cannot start a process: %s", strerror(errno));
        return cli_fail(c, GOPRO_E_IO, &err);
    }
    while (planning.pid > 0) attend(&x, &planning);
    if (!x.status && !cli_interrupted()) say_plan(&x);
    x.start = now();
    x.told = false;
    while (!x.status && (x.finished < x.todo || x.running > 0) && !(cli_interrupted() && x.running == 0)) {
        start_more(&x);
        attend(&x, NULL);
        if (x.running > 0) tell(&x, false);
    }
    while (x.running > 0) attend(&x, NULL);
    if (cli_interrupted()) {
        gopro_error err = {0};
        snprintf(err.msg, sizeof err.msg, "interrupted; the same command goes on from there");
        x.status = cli_fail(c, GOPRO_E_CANCELLED, &err);
    }
    for (size_t i = 0; i < x.n; i++) free(x.job[i].title);
    free(x.job);
    *name = x.name;
    return x.status;
}
