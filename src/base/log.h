/* log.h - how the library reports: callbacks, never output of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_LOG_H
#define GP_LOG_H

#include "base/error.h"

typedef enum gp_log_level { GP_LOG_DEBUG, GP_LOG_INFO, GP_LOG_WARN } gp_log_level;

typedef struct gp_log {
    void (*write)(void *user, gp_log_level level, const char *text); /* one line, no newline; NULL: silent */
    bool (*cancelled)(void *user);                                   /* polled every micro-step; NULL: never */
    void *user;
} gp_log;

void gp_logf(const gp_log *l, gp_log_level level, const char *fmt, ...) GP_PRINTF(3, 4); /* l may be NULL */
bool gp_cancelled(const gp_log *l);

#endif
