/* ui.c - messages and progress on standard error, one live line on a terminal, plain lines elsewhere; signals become a wish to stop.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cli.h"

/* Written by the signal handler: nothing but such a variable can be. */
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    if (stop) _exit(128 + number); /* the second one insists */
    stop = 1;
}

bool cli_interrupted(void)
{
    return stop != 0;
}

struct cli_ui {
    bool terminal, quiet, live, color;
    double last, plain_gap; /* time of the last line; growing distance of plain lines */
    char run[128], what[32];
};

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void clear_live(struct cli_ui *u)
{
    if (u->live) fputs("\r\033[K", stderr);
    u->live = false;
}

static void on_log(void *user, gopro_log_level level, const char *text)
{
    struct cli_ui *u = user;
    if (level == GOPRO_LOG_DEBUG || (u->quiet && level != GOPRO_LOG_WARN)) return;
    clear_live(u);
    if (level == GOPRO_LOG_WARN)
        fprintf(stderr, "%swarning:%s %s\n", u->color ? "\033[33m" : "", u->color ? "\033[0m" : "", text);
    else
        fprintf(stderr, "%s\n", text);
}

void cli_duration(char out[32], double s)
{
    if (!(s >= 0.0) || s > 1e8)
        snprintf(out, 32, "?");
    else if (s < 60.0)
        snprintf(out, 32, "%.0fs", s);
    else if (s < 3600.0)
        snprintf(out, 32, "%dm%02ds", (int)s / 60, (int)s % 60);
    else
        snprintf(out, 32, "%dh%02dm", (int)s / 3600, (int)s % 3600 / 60);
}

static void progress_line(char *out, size_t cap, const gopro_progress *p)
{
    char eta[32];
    cli_duration(eta, p->eta_seconds);
    snprintf(out, cap, "%s%s%s ", p->run, p->run[0] ? ": " : "", p->what);
    if (p->epochs) gp_cat(out, cap, "epoch %zu/%zu, ", p->epoch, p->epochs);
    gp_cat(out, cap, "%zu/%zu", p->done, p->total);
    if (p->has_loss) gp_cat(out, cap, ", loss %.4f, acc %.1f %%, lr %.3g", p->loss, p->accuracy, p->learning_rate);
    char rate[48] = "";
    if (p->images_per_second > 0.0) snprintf(rate, sizeof rate, ", %.4g images/s", p->images_per_second);
    gp_cat(out, cap, "%s, %zu MiB, %s left", rate, p->peak_rss_mib, eta);
}

/* A plain line now and then: after 1 s, then at growing distances up to a minute, and at the end of each stage that took long. */
static bool plain_due(struct cli_ui *u, const gopro_progress *p, double t)
{
    if (strcmp(u->what, p->what) != 0 || strcmp(u->run, p->run) != 0) {
        snprintf(u->what, sizeof u->what, "%s", p->what);
        snprintf(u->run, sizeof u->run, "%s", p->run);
        u->last = t;
        u->plain_gap = 1.0;
        return false;
    }
    if (t - u->last < u->plain_gap) return p->done == p->total && u->plain_gap > 1.0;
    u->plain_gap = fmin(60.0, u->plain_gap * 2.0);
    u->last = t;
    return true;
}

static void show_live(struct cli_ui *u, char *line)
{
    struct winsize w = {0};
    size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1U : 79U;
    if (strlen(line) > columns) line[columns] = '\0';
    fprintf(stderr, "\r%s\033[K", line);
    u->live = true;
}

static void on_progress(void *user, const gopro_progress *p)
{
    struct cli_ui *u = user;
    char line[512];
    double t = now();
    if (u->quiet) return;
    if (!u->terminal) {
        if (!plain_due(u, p, t)) return;
        progress_line(line, sizeof line, p);
        fprintf(stderr, "%s\n", line);
        return;
    }
    if (t - u->last < 0.1 && p->done != p->total) return;
    u->last = t;
    progress_line(line, sizeof line, p);
    show_live(u, line);
}

void cli_status(cli *c, const char *line)
{
    struct cli_ui *u = c->ui;
    char copy[512];
    if (!u->terminal || u->quiet) return;
    snprintf(copy, sizeof copy, "%s", line);
    show_live(u, copy);
}

void cli_note(cli *c, const char *line)
{
    on_log(c->ui, GOPRO_LOG_INFO, line);
}

void cli_warn(cli *c, const char *line)
{
    on_log(c->ui, GOPRO_LOG_WARN, line);
}

static int on_cancel(void *user)
{
    (void)user;
    return stop;
}

bool cli_ui_open(cli *c)
{
    gopro_error err;
    c->ui = calloc(1, sizeof *c->ui);
    if (!c->ui || gopro_context_create(&c->context, &err) != GOPRO_OK) return false;
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    c->ui->quiet = c->quiet;
    c->ui->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    c->ui->color = c->ui->terminal && !(no_color && no_color[0]);
    gopro_context_set_log(c->context, on_log, c->ui);
    gopro_context_set_progress(c->context, on_progress, c->ui);
    gopro_context_set_cancel(c->context, on_cancel, c->ui);
    struct sigaction a = {.sa_handler = on_signal};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    cli_watch_faults();
    return true;
}

void cli_ui_close(cli *c)
{
    if (c->ui) clear_live(c->ui);
    gopro_context_free(&c->context);
    free(c->ui);
    c->ui = NULL;
}

int cli_fail(cli *c, gopro_status st, const gopro_error *err)
{
    if (c->ui) clear_live(c->ui);
    fprintf(stderr, "gopro: %s\n", err && err->msg[0] ? err->msg : "failed");
    return gopro_exit_status(st);
}

int cli_done(cli *c, int status)
{
    if (c->ui) clear_live(c->ui);
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fprintf(stderr, "gopro: cannot write to standard output: %s\n", strerror(errno));
    return status ? status : 1;
}

void cli_text(cli *c, const char *text)
{
    if (c->ui) clear_live(c->ui);
    fputs(text, stdout);
}
