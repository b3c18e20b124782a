/* str.h - a growing byte string, and nearest names for messages.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STR_H
#define GP_STR_H

#include "base/compiler.h"

typedef struct gp_str {
    char *s; /* always NUL-terminated once something was added; free with gp_str_free */
    size_t len, cap;
    bool failed; /* sticky: out of memory */
} gp_str;

void gp_str_free(gp_str *b);
void gp_str_add(gp_str *b, const char *s);
void gp_str_addn(gp_str *b, const char *s, size_t n);
void gp_str_addf(gp_str *b, const char *fmt, ...) GP_PRINTF(2, 3);
/* Bytes of the character at s if it is valid UTF-8 and no control character but tab and line end; else 0. */
size_t gp_utf8_char(const char *s);
/* Makes of s what a terminal may show: a '?' for every control character and for bytes that are no UTF-8. */
bool gp_text_is_plain(const char *s, size_t n); /* UTF-8 without control characters, of which U+0080 to U+009F are some */
void gp_plain_text(char *s);
/* Takes away the first bytes of a character whose others were cut off at the end of s. */
void gp_whole_text(char *s);
/* Adds to the string in out[cap], cut off where it is full. */
void gp_cat(char *out, size_t cap, const char *fmt, ...) GP_PRINTF(3, 4);
/* A finite decimal number and nothing else. */
bool gp_parse_real(double *out, const char *s);
/* The number as gp_parse_real reads it, whatever the locale; of 17 digits it is the same to the last bit. */
void gp_real_text(char out[32], double v, int digits);
char *gp_strdup(const char *s);
char *gp_sprintf(const char *fmt, ...) GP_PRINTF(1, 2); /* malloc'ed */

/* The candidate with the smallest edit distance to s, or NULL if none is near (distance > max(2, len/3)). */
const char *gp_nearest(const char *s, const char *const *candidates, size_t n);

#endif
