/* log.c - hands one formatted line to the caller's callback.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

void gp_logf(const gp_log *l, gp_log_level level, const char *fmt, ...)
{
    if (!l || !l->write) return;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    gp_plain_text(text);
    l->write(l->user, level, text);
}

bool gp_cancelled(const gp_log *l)
{
    return l && l->cancelled && l->cancelled(l->user);
}
