/* progress.h - what a long computation tells whoever watches it: log lines, numbers of the step at hand, and the wish to stop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PROGRESS_H
#define GP_PROGRESS_H

#include "base/log.h"

typedef struct gp_progress {
    const char *what;   /* "train", "features", "test": a constant */
    const char *run;    /* "food gopro seed 1", may be "" */
    size_t done, total; /* steps, images */
    size_t epoch, epochs;
    bool has_loss; /* loss, accuracy, lr are meaningful */
    double loss, accuracy, lr;
    double images_per_s, eta_s;
    size_t rss_mib;
} gp_progress;

typedef struct gp_watch {
    gp_log log;
    void (*progress)(void *user, const gp_progress *p); /* NULL: nobody looks */
    void *user;
    const char *run; /* prefix for progress, may be NULL */
} gp_watch;

double gp_seconds(void);      /* monotonic clock */
size_t gp_peak_rss_mib(void); /* of this process, since the last reset */
void gp_peak_rss_reset(void); /* the peak begins anew at what is in use, where the system can do that (Linux) */
/* Fills what follows from time (rate from images done since t0, remaining time, memory) and calls the watcher. */
void gp_watch_tell(const gp_watch *w, gp_progress *p, double t0, size_t images_since_t0, size_t done_since_t0);

#endif
