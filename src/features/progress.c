/* progress.c - clock, peak memory and the numbers of a progress line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "features/progress.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

double gp_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

size_t gp_peak_rss_mib(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0 || u.ru_maxrss < 0) return 0;
    return (size_t)u.ru_maxrss / 1024;
}

void gp_peak_rss_reset(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "we");
    if (!f) return;
    fputs("5", f);
    fclose(f);
}

void gp_watch_tell(const gp_watch *w, gp_progress *p, double t0, size_t images_since_t0, size_t done_since_t0)
{
    if (!w || !w->progress) return;
    double dt = gp_seconds() - t0;
    p->run = w->run ? w->run : "";
    p->images_per_s = dt > 0.0 ? (double)images_since_t0 / dt : 0.0;
    p->eta_s = done_since_t0 > 0 ? dt / (double)done_since_t0 * (double)(p->total - p->done) : 0.0;
    p->rss_mib = gp_peak_rss_mib();
    w->progress(w->user, p);
}
