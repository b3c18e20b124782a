/* unicode.c - reads emoji-test.txt and the English annotations of CLDR.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unicode.h"

#include <stdlib.h>
#include <string.h>

#include "rules.h"

static char *without_fe0f(const char *s, size_t n)
{
    char *out = ge_alloc(n + 1, 1), *o = out;
    for (size_t i = 0; i < n; i++) {
        if (n - i >= 3 && memcmp(s + i, "\xef\xb8\x8f", 3) == 0)
            i += 2;
        else
            *o++ = s[i];
    }
    return out;
}

/* "a | b &amp; c" to "a|b c" as words. */
static char *keyword_list(const char *s, size_t n, const char *name)
{
    char *copy = ge_alloc(n + 1, 1), *at = copy, *out = ge_dup("");
    memcpy(copy, s, n);
    for (char *k; (k = ge_cut(&at, '|'));) {
        char *w = ge_words(k);
        if (*w && strcmp(w, name) != 0 && !strstr(k, "&")) {
            char *next = ge_fmt("%s%s%s", out, *out ? "|" : "", w);
            free(out);
            out = next;
        }
        free(w);
    }
    free(copy);
    return out;
}

static void read_annotations(ge_unicode *u, const ge_map *by_char, const char *path)
{
    char *text = ge_read(path, NULL);
    if (!text) ge_die("%s: not found; install unicode-cldr-core", path);
    for (char *at = text, *line; (line = ge_cut(&at, '\n'));) {
        char *cp = strstr(line, "<annotation cp=\""), *end = strstr(line, "</annotation>");
        if (!cp || !end || strstr(line, "type=\"tts\"")) continue;
        cp += 16;
        char *quote = strchr(cp, '"');
        if (!quote || quote[1] != '>' || quote > end) continue;
        char *key = without_fe0f(cp, (size_t)(quote - cp));
        size_t i = ge_map_get(by_char, key);
        free(key);
        if (i == GE_NONE) continue;
        u->emoji[i].keywords = keyword_list(quote + 2, (size_t)(end - quote - 2), u->emoji[i].name);
    }
    free(text);
}

static bool shows_a_thing(const char *group)
{
    return strcmp(group, "symbols") != 0 && strcmp(group, "flags") != 0 && strcmp(group, "component") != 0;
}

static void add_vocabulary(ge_unicode *u, const char *words)
{
    char *copy = ge_dup(words), *at = copy;
    for (char *w; (w = ge_cut(&at, ' '));)
        if (strlen(w) > 2 || strcmp(w, "ox") == 0) ge_map_put(&u->vocabulary, w, 1);
    free(copy);
}

static void squash(char *words)
{
    char *o = words;
    for (char *s = words; *s; s++)
        if (*s != ' ') *o++ = *s;
    *o = 0;
}

static void add_emoji(ge_unicode *u, ge_map *by_char, char *line, const char *group, const char *subgroup)
{
    char *hash = strchr(line, '#');
    if (!hash || !strstr(line, "fully-qualified") || strstr(line, "skin tone")) return;
    char *pic = hash + 2, *version = strchr(pic, ' ');
    char *name = version ? strchr(version + 1, ' ') : NULL;
    if (!name) return;
    u->emoji = ge_grow(u->emoji, u->n + 1, sizeof *u->emoji);
    ge_emoji *e = &u->emoji[u->n];
    *e = (ge_emoji){.name = ge_words(name), .group = group, .subgroup = subgroup, .keywords = ""};
    char *key = without_fe0f(pic, (size_t)(version - pic));
    ge_map_put(by_char, key, u->n);
    free(key);
    ge_map_put(&u->by_name, e->name, u->n);
    char *sq = ge_dup(e->name);
    squash(sq);
    ge_map_put(&u->by_squashed, sq, u->n);
    free(sq);
    if (shows_a_thing(group)) add_vocabulary(u, e->name);
    u->n++;
}

void ge_unicode_load(ge_unicode *u, const char *dir)
{
    *u = (ge_unicode){0};
    ge_map by_char = {0};
    char *path = ge_fmt("%s/emoji/emoji-test.txt", dir), *text = ge_read(path, NULL);
    if (!text) ge_die("%s: not found; install unicode-data", path);
    const char *group = "", *subgroup = "";
    for (char *at = text, *line; (line = ge_cut(&at, '\n'));) {
        if (strncmp(line, "# group: ", 9) == 0)
            group = ge_words(line + 9);
        else if (strncmp(line, "# subgroup: ", 12) == 0)
            subgroup = ge_dup(line + 12);
        else if (*line != '#')
            add_emoji(u, &by_char, line, group, subgroup);
    }
    free(text);
    free(path);
    path = ge_fmt("%s/cldr/common/annotations/en.xml", dir);
    read_annotations(u, &by_char, path);
    free(path);
    path = ge_fmt("%s/cldr/common/annotationsDerived/en.xml", dir);
    read_annotations(u, &by_char, path);
    free(path);
    ge_map_free(&by_char);
}

char *ge_segment(const ge_unicode *u, const char *s)
{
    enum { LONG = 64 };
    size_t n = strlen(s), best[LONG + 1], from[LONG + 1];
    if (n == 0 || n > LONG) return NULL;
    best[0] = 0;
    for (size_t e = 1; e <= n; e++) {
        best[e] = GE_NONE;
        for (size_t b = 0; b < e; b++) {
            char word[LONG + 1] = {0};
            memcpy(word, s + b, e - b);
            if (best[b] == GE_NONE || ge_map_get(&u->vocabulary, word) == GE_NONE || (best[e] != GE_NONE && best[e] <= best[b] + 1))
                continue;
            best[e] = best[b] + 1;
            from[e] = b;
        }
    }
    if (best[n] == GE_NONE) return NULL;
    char *out = ge_dup("");
    for (size_t e = n; e > 0; e = from[e]) {
        char *next = ge_fmt("%.*s%s%s", (int)(e - from[e]), s + from[e], *out ? " " : "", out);
        free(out);
        out = next;
    }
    return out;
}
