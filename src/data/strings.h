/* strings.h - many strings packed without gaps, and numbering of distinct words.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STRINGS_H
#define GP_STRINGS_H

#include "base/compiler.h"

typedef struct gp_strings gp_strings;
gp_strings *gp_strings_create(void); /* NULL when out of memory */
void gp_strings_free(gp_strings **s);
/* A copy of n bytes with a NUL after them; NULL when out of memory. */
char *gp_strings_add(gp_strings *s, const char *text, size_t n);
char *gp_strings_join(gp_strings *s, const char *a, const char *b); /* "a/b", or b if a is NULL or empty */

/* Words numbered from 0 in order of first appearance. */
typedef struct gp_intern {
    gp_strings *pool; /* owns the words */
    char **word;
    uint32_t *slot; /* number + 1, or 0 */
    size_t n, cap, n_slots;
} gp_intern;
bool gp_intern_add(gp_intern *t, uint32_t *number, const char *word, size_t n); /* false: out of memory */
bool gp_intern_find(const gp_intern *t, uint32_t *number, const char *word, size_t n);
void gp_intern_free(gp_intern *t);

#endif
