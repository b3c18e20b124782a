/* unicode.h - emoji names, groups and keywords from Debian's unicode-data and unicode-cldr-core.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_UNICODE_H
#define GE_UNICODE_H

#include "util.h"

typedef struct ge_emoji {
    const char *name; /* words; without skin tones */
    const char *group, *subgroup;
    const char *keywords; /* separated by '|', "" for none */
} ge_emoji;

typedef struct ge_unicode {
    ge_emoji *emoji;
    size_t n;
    ge_map by_name;     /* words -> index; keywords of its own name excluded */
    ge_map by_squashed; /* the name without spaces -> index */
    ge_map vocabulary;  /* words of emoji names that show things */
} ge_unicode;

void ge_unicode_load(ge_unicode *u, const char *unicode_dir);
/* Cuts a name written without spaces into the fewest known words; NULL if it cannot be cut. */
char *ge_segment(const ge_unicode *u, const char *squashed);

#endif
