/* error.c - filling a gopro_error; version and exit status.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

int gopro_exit_status(gopro_status status)
{
    switch (status) {
    case GOPRO_OK:
        return 0;
    case GOPRO_E_INVALID:
        return 2;
    case GOPRO_E_DATA:
        return 3;
    case GOPRO_E_WEIGHTS:
        return 4;
    case GOPRO_E_NUMERIC:
        return 5;
    case GOPRO_E_CANCELLED:
        return 130;
    case GOPRO_E_NOMEM:
    case GOPRO_E_IO:
    case GOPRO_E_FORMAT:
    case GOPRO_E_UNSUPPORTED:
        break;
    }
    return 1;
}

const char *gopro_version(void)
{
    return GOPRO_VERSION;
}

gopro_status gp_fail(gopro_error *err, gopro_status code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        err->code = (int32_t)code;
        va_start(ap, fmt);
        vsnprintf(err->msg, sizeof err->msg, fmt, ap);
        va_end(ap);
        gp_plain_text(err->msg); /* names in it may come from anybody's file */
    }
    return code;
}

gopro_status gp_fail_in(gopro_error *err, gopro_status code, const char *fmt, ...)
{
    if (!err) return code;
    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    old[sizeof old - 1] = '\0';
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : gp_min_size((size_t)n, sizeof err->msg - 1);
    snprintf(err->msg + used, sizeof err->msg - used, ": %s", old);
    gp_plain_text(err->msg);
    if (err->code == GOPRO_E_NOMEM || err->code == GOPRO_E_CANCELLED || err->code == GOPRO_E_NUMERIC) return (gopro_status)err->code;
    err->code = (int32_t)code;
    return code;
}

gopro_status gp_fail_nomem(gopro_error *err, size_t bytes, const char *what)
{
    return gp_fail(err, GOPRO_E_NOMEM, "out of memory: %zu bytes for %s", bytes, what);
}

gopro_status gp_fail_errno(gopro_error *err, const char *what, const char *path)
{
    int saved = errno;
    char buf[128];
    return gp_fail(err, GOPRO_E_IO, "%s '%s': %s", what, path, strerror_r(saved, buf, sizeof buf));
}
