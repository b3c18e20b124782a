/* rules.c - names, styles and classes of drawings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <stdlib.h>
#include <string.h>

static char *table(const char *folder, const char *file)
{
    char *path = ge_fmt("%s/%s", folder, file), *s = ge_read(path, NULL);
    if (!s) ge_die("%s: not found", path);
    free(path);
    return s;
}

static void add_class(ge_rules *r, const char *dataset, const char *name, char *synonyms)
{
    r->class = ge_grow(r->class, r->n_classes + 1, sizeof *r->class);
    ge_class *c = &r->class[r->n_classes];
    *c = (ge_class){.dataset = dataset, .name = name};
    for (char *p = ge_dup(name); p; p = ge_cut(&synonyms, '|')) {
        if (!*p) continue;
        char *w = ge_words(p);
        if (*p == '~') ge_map_put(&r->emoji_only, w, 1);
        c->phrase = ge_grow(c->phrase, c->n_phrases + 1, sizeof *c->phrase);
        c->phrase[c->n_phrases++] = w;
        ge_map_put(&r->phrase, w, r->n_classes);
        if (!strchr(w, ' ')) ge_map_put(&r->word, w, r->n_classes);
    }
    r->n_classes++;
}

void ge_rules_load(ge_rules *r, const char *tables)
{
    *r = (ge_rules){0};
    char *t = table(tables, "null_phrases.txt");
    for (char *line; (line = ge_cut(&t, '\n'));)
        if (*line && *line != '#') ge_map_put(&r->phrase, line, GE_NULL_PHRASE);
    t = table(tables, "classes.tsv");
    ge_cut(&t, '\n');
    for (char *line; (line = ge_cut(&t, '\n'));) {
        char *dataset = ge_cut(&line, '\t'), *name = ge_cut(&line, '\t');
        if (name && *name && *dataset != '#') add_class(r, dataset, name, line);
    }
    t = table(tables, "interface_words.txt");
    bool hard = false;
    for (char *line; (line = ge_cut(&t, '\n'));) {
        if (*line == '#') continue;
        for (char *w; (w = ge_cut(&line, ' '));) {
            if (strcmp(w, "hard:") == 0)
                hard = true;
            else if (*w)
                ge_map_put(hard ? &r->hard : &r->soft, w, 1);
        }
    }
}

/* UTF-8 of U+00C0..U+017F to the ASCII letter below the accent; 0 for others. */
static char fold(unsigned char a, unsigned char b)
{
    unsigned u = (unsigned)(a & 31) << 6 | (b & 63);
    static const char latin1[] = "aaaaaaaceeeeiiiidnooooo-ouuuuypsaaaaaaaceeeeiiiidnooooo-ouuuuypy";
    if (u >= 0xc0 && u <= 0xff) return latin1[u - 0xc0];
    return 0;
}

char *ge_words(const char *name)
{
    char *out = ge_alloc(strlen(name) + 1, 1), *o = out;
    bool gap = false;
    for (const unsigned char *s = (const unsigned char *)name; *s; s++) {
        char c = 0;
        if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9')) c = (char)*s;
        if (*s >= 'A' && *s <= 'Z') c = (char)(*s + 32);
        if (*s >= 0xc3 && *s <= 0xc5 && s[1] >= 0x80) c = fold(s[0], s[1]), s++;
        if (*s == '\'' || *s == '.') continue;
        if (!c || c == '-') {
            gap = o > out;
            continue;
        }
        if (gap) *o++ = ' ';
        gap = false;
        *o++ = c;
    }
    *o = 0;
    return out;
}

void ge_drop_numbers(char *words)
{
    for (;;) {
        char *last = strrchr(words, ' ');
        if (!last) return;
        bool number = last[1 + strspn(last + 1, "0123456789")] == 0;
        if (!number && strcmp(last + 1, "alt") != 0) return;
        *last = 0;
    }
}

const char *ge_strip_style(char *icon, const char *suffixes, const char *style)
{
    char *copy = ge_dup(suffixes), *at = copy;
    const char *found = NULL;
    for (char *rule; !found && (rule = ge_cut(&at, '|'));) {
        char *suffix = ge_cut(&rule, '=');
        size_t n = strlen(icon), m = strlen(suffix);
        if (!m || n < m + 2 || icon[n - m - 1] != '-' || strcmp(icon + n - m, suffix) != 0) continue;
        icon[n - m - 1] = 0;
        found = rule && *rule ? ge_dup(rule) : style;
    }
    free(copy);
    if (found && strcmp(found, "drop") == 0) return NULL;
    return found ? found : style;
}

size_t ge_count_words(const char *words)
{
    size_t n = *words != 0;
    for (; *words; words++) n += *words == ' ';
    return n;
}

static bool has_word(const ge_map *m, const char *words)
{
    char *copy = ge_dup(words), *at = copy;
    bool yes = false;
    for (char *w; !yes && (w = ge_cut(&at, ' '));) yes = ge_map_get(m, w) != GE_NONE;
    free(copy);
    return yes;
}

static bool negated(const char *words)
{
    static const char *const no[] = {"off",   "plus",  "minus",    "slash",  "remove",  "add",   "delete", "cancel", "no", "not", "x",
                                     "cross", "check", "disabled", "broken", "without", "arrow", "arrows", "search", "up", "down"};
    char *copy = ge_dup(words), *at = copy;
    bool yes = false;
    for (char *w; !yes && (w = ge_cut(&at, ' '));)
        for (size_t i = 0; i < sizeof no / sizeof *no; i++) yes |= strcmp(w, no[i]) == 0;
    free(copy);
    return yes;
}

/* The first word of a longer name must not be an interface word or name another class: "file lock", "cat bed". */
static bool first_word_misleads(const ge_rules *r, const char *words, size_t class)
{
    char *first = ge_dup(words), *at = first;
    ge_cut(&at, ' ');
    size_t other = ge_map_get(&r->word, first);
    bool bad = (other != GE_NONE && other != class) || ge_map_get(&r->soft, first) != GE_NONE || ge_map_get(&r->hard, first) != GE_NONE;
    free(first);
    return bad;
}

size_t ge_classify(const ge_rules *r, const char *words, unsigned flags)
{
    for (const char *p = words; p; p = strchr(p, ' ')) {
        if (*p == ' ') p++;
        size_t c = ge_map_get(&r->phrase, p);
        if (c == GE_NONE) continue;
        if (!(flags & GE_LONG_NAMES) && ge_map_get(&r->emoji_only, p) != GE_NONE) return GE_NONE;
        if (c == GE_NULL_PHRASE) return GE_NONE;
        if (p == words) return c;
        if ((flags & GE_EXACT) || negated(words)) return GE_NONE;
        if (!(flags & GE_LONG_NAMES) && ge_count_words(words) > 2) return GE_NONE;
        return first_word_misleads(r, words, c) ? GE_NONE : c;
    }
    return GE_NONE;
}

bool ge_is_interface(const ge_rules *r, const char *words)
{
    if (has_word(&r->hard, words)) return true;
    return strchr(words, ' ') && has_word(&r->soft, words);
}
