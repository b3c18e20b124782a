/* rules.h - from a drawing's name to words, style and class (the rules of the benchmark's labels).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_RULES_H
#define GE_RULES_H

#include "util.h"

typedef struct ge_class {
    const char *dataset, *name;
    char **phrase; /* the name first */
    size_t n_phrases;
} ge_class;

typedef struct ge_rules {
    ge_class *class;
    size_t n_classes;
    ge_map phrase;     /* phrase -> class index; GE_NULL_PHRASE for a phrase that means no class */
    ge_map word;       /* every single word that names a class -> class index */
    ge_map emoji_only; /* phrases that mean something else in icon sets ("ram" is memory there) */
    ge_map soft, hard; /* interface words */
} ge_rules;
#define GE_NULL_PHRASE ((size_t)-2)

void ge_rules_load(ge_rules *r, const char *tables);

/* Lower-case words with single spaces; everything that is no letter or digit separates; apostrophes vanish; letters outside ASCII are
 * folded to ASCII where that is usual. */
char *ge_words(const char *name);
/* Drops numbers and "alt" at the end, as in "cloud 2". */
void ge_drop_numbers(char *words);
/* Strips the style suffixes of a set ("fill=solid|line=line|thin=drop") from an icon's file name, in place; the style they stand for, ""
 * for none, NULL for an icon that is not used. */
const char *ge_strip_style(char *icon, const char *suffixes, const char *style);

enum { GE_EXACT = 1, GE_LONG_NAMES = 2 };
/* The class whose phrase is the longest match at the end of the name, GE_NONE if none.  GE_EXACT: the phrase must be the whole name.
 * Without GE_LONG_NAMES, names of more than two words count only as a whole. */
size_t ge_classify(const ge_rules *r, const char *words, unsigned flags);

/* An icon that shows part of an interface, not a thing. */
bool ge_is_interface(const ge_rules *r, const char *words);
size_t ge_count_words(const char *words);

#endif
