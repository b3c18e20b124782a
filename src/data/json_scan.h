/* json_scan.h - reads JSON forwards without building a tree, for lists of a million images.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_JSON_SCAN_H
#define GP_JSON_SCAN_H

#include "base/error.h"
#include "base/str.h"

typedef struct gp_json_scan {
    const char *p, *end, *begin, *what;
    gp_str text; /* the last string, decoded, valid UTF-8 without zero bytes */
} gp_json_scan;

void gp_json_begin(gp_json_scan *s, const char *text, size_t size, const char *what);
void gp_json_end(gp_json_scan *s);

char gp_json_peek(gp_json_scan *s);         /* next character that is no space, or '\0' at the end */
bool gp_json_take(gp_json_scan *s, char c); /* takes it if it comes next */
/* DATA error with line and column unless c comes next. */
gopro_status gp_json_need(gp_json_scan *s, char c, gopro_error *err);
gopro_status gp_json_string(gp_json_scan *s, gopro_error *err); /* into s->text */
gopro_status gp_json_integer(gp_json_scan *s, long long *v, gopro_error *err);
gopro_status gp_json_skip(gp_json_scan *s, gopro_error *err); /* any value, nested at most 64 deep */
gopro_status gp_json_fail(const gp_json_scan *s, const char *expected, gopro_error *err);

#endif
