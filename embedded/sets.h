/* sets.h - the drawings of the icon and emoji sets.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_SETS_H
#define GE_SETS_H

#include <jansson.h>

#include "render.h"
#include "rules.h"
#include "unicode.h"

typedef enum ge_kind { GE_ICONS, GE_EMOJI, GE_GAME, GE_CLIPART } ge_kind;

typedef struct ge_drawing {
    const char *set, *artist, *icon; /* icon: its name in the set, or the file of a clip-art drawing */
    ge_kind kind;
    const char *name;    /* words */
    const char *concept; /* words that variants of one drawing share; the name without gender for people is the dataset's matter */
    const char *style;
    const char *keywords; /* separated by '|' */
    const ge_emoji *emoji;
    bool tone;        /* a skin-tone variant */
    const char *body; /* of an icon */
    double box[4];    /* left, top, width, height */
    size_t class;     /* in ge_rules, or GE_NONE */
    bool keep;
    float thumb[GE_THUMB * GE_THUMB];
} ge_drawing;

typedef struct ge_set {
    char *use, *name, *version, *style, *licence, *artist, *suffixes;
    ge_kind kind;
    json_t *icons; /* owns the bodies */
} ge_set;

typedef struct ge_sets {
    ge_set *set;
    size_t n;
} ge_sets;

typedef struct ge_drawings {
    ge_drawing *d;
    size_t n;
} ge_drawings;

void ge_sets_load(ge_sets *s, const char *tables);
bool ge_set_is(const ge_set *s, const char *use);
/* Every drawing of a set, sorted by the icon's name; CACHE/NAME/icons.json. */
void ge_set_read(ge_drawings *out, ge_set *s, const char *cache, const ge_unicode *u);
ge_drawing *ge_drawings_add(ge_drawings *out);
/* The whole SVG document; free it. */
char *ge_svg(const ge_drawing *d, size_t *n);
/* Renders a drawing. */
bool ge_draw(uint8_t *rgba, const ge_drawing *d);

/* Debian's openclipart-svg: names and keywords from each file's metadata. */
void ge_clipart_read(ge_drawings *out, const char *folder);

char *ge_join(const char *list, const char *word); /* list + '|' + word unless it is in there */

#endif
