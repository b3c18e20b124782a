/* base.h - status codes, the error object, export macro and version of libgopro.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GOPRO_BASE_H
#define GOPRO_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GOPRO_API __attribute__((visibility("default")))
#else
#define GOPRO_API
#endif

#define GOPRO_VERSION_MAJOR 0
#define GOPRO_VERSION_MINOR 1
#define GOPRO_VERSION_PATCH 0
#define GOPRO_VERSION       "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to.  The program's exit status follows from it, see gopro_exit_status(). */
typedef enum gopro_status {
    GOPRO_OK = 0,
    GOPRO_E_INVALID,     /* a wrong argument or setting: the caller's or the user's mistake */
    GOPRO_E_NOMEM,       /* out of memory */
    GOPRO_E_IO,          /* the operating system refused: open, read, write, space, permission */
    GOPRO_E_FORMAT,      /* bytes that are not what they should be */
    GOPRO_E_UNSUPPORTED, /* well-formed, but not something this library handles */
    GOPRO_E_NUMERIC,     /* a non-finite loss or gradient */
    GOPRO_E_CANCELLED,   /* the cancel callback asked to stop */
    GOPRO_E_DATA,        /* images, labels or splits that cannot be used as they are */
    GOPRO_E_WEIGHTS      /* a checkpoint, tokenizer or learnt prompt that cannot be used as it is */
} gopro_status;

/* Caller-owned; pass NULL to ignore.  msg says what, where, what was expected and what to do, without a full stop. */
typedef struct gopro_error {
    int32_t code; /* a gopro_status */
    char msg[1020];
} gopro_error;

/* The exit status the program uses for a status: 0 done, 1 failure, 2 usage, 3 data, 4 weights, 5 diverged, 130 interrupted. */
GOPRO_API int gopro_exit_status(gopro_status status);

/* "0.1.0" */
GOPRO_API const char *gopro_version(void);

#ifdef __cplusplus
}
#endif
#endif
