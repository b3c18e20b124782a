/* error.h - filling a gopro_error and passing it up.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ERROR_H
#define GP_ERROR_H

#include "base/compiler.h"
#include "gopro/base.h"

#define GP_TRY(expr) \
    do { \
        gopro_status st_ = (expr); \
        if (st_ != GOPRO_OK) return st_; \
    } while (0)

/* Like GP_TRY inside a function with one `out:` label and a variable `st`. */
#define GP_CHECK(expr) \
    do { \
        st = (expr); \
        if (st != GOPRO_OK) goto out; \
    } while (0)

/* Fills err (may be NULL) and returns code. */
gopro_status gp_fail(gopro_error *err, gopro_status code, const char *fmt, ...) GP_PRINTF(3, 4);

/* Keeps the message, prefixes it with "<prefix>: " built from fmt, replaces the code unless it is NOMEM, CANCELLED or NUMERIC; returns
 * the resulting code.  This is how the data layer turns a decoder's FORMAT into DATA and names the file. */
gopro_status gp_fail_in(gopro_error *err, gopro_status code, const char *fmt, ...) GP_PRINTF(3, 4);

gopro_status gp_fail_nomem(gopro_error *err, size_t bytes, const char *what);

/* IO error from errno: "<what> '<path>': <strerror>". */
gopro_status gp_fail_errno(gopro_error *err, const char *what, const char *path);

#endif
