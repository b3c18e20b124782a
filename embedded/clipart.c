/* clipart.c - Debian's openclipart-svg: files, titles and keywords.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sets.h"

enum { MAX_SVG = 200 << 10 }; /* larger ones take long and look like photographs */

typedef struct paths {
    char **p;
    size_t n;
} paths;

static void walk(paths *out, const char *folder)
{
    DIR *d = opendir(folder);
    if (!d) ge_die("%s: not found; install openclipart-svg", folder);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char *path = ge_fmt("%s/%s", folder, e->d_name);
        struct stat st;
        if (stat(path, &st) != 0) ge_die("%s: cannot be read", path);
        if (S_ISDIR(st.st_mode)) {
            walk(out, path);
        } else if (ge_ends(path, ".svg") && st.st_size < MAX_SVG) {
            out->p = ge_grow(out->p, out->n + 1, sizeof *out->p);
            out->p[out->n++] = path;
            continue;
        }
        free(path);
    }
    closedir(d);
}

static int by_string(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The text of the first <tag> after `at`, moved behind it; NULL if none. */
static char *element(char **at, const char *open, const char *close)
{
    char *s = strstr(*at, open);
    if (!s) return NULL;
    s += strlen(open);
    char *e = strstr(s, close);
    if (!e) return NULL;
    *at = e;
    char *text = ge_alloc((size_t)(e - s) + 1, 1);
    return memcpy(text, s, (size_t)(e - s));
}

/* Words with a digit in them and single letters say nothing about the picture. */
static char *plain_words(const char *text)
{
    char *w = ge_words(text), *at = w, *out = ge_dup("");
    for (char *k; (k = ge_cut(&at, ' '));) {
        if (strlen(k) < 2 || strpbrk(k, "0123456789") || !strcmp(k, "svg") || !strcmp(k, "bw") || !strcmp(k, "amp") || !strcmp(k, "md"))
            continue;
        char *next = ge_fmt("%s%s%s", out, *out ? " " : "", k);
        free(out);
        out = next;
    }
    free(w);
    return out;
}

/* Keywords that say where the file was kept, not what it shows. */
static bool filing_word(const char *w)
{
    static const char *const filing[] = {
        "signs and symbols", "clip art",   "clipart", "unsorted", "symbol",  "symbols", "icon", "icons", "image", "media",
        "public domain",     "recreation", "theme",   "hash",     "webpage", "appicon"};
    for (size_t i = 0; i < sizeof filing / sizeof *filing; i++)
        if (strcmp(w, filing[i]) == 0) return true;
    return false;
}

static void read_file(ge_drawings *out, const char *path, const char *below)
{
    char *svg = ge_read(path, NULL), *at = svg ? strstr(svg, "<metadata") : NULL;
    char *title = at ? element(&at, "<dc:title>", "</dc:title>") : NULL;
    char *name = title ? plain_words(title) : NULL;
    if (name && *name && ge_count_words(name) <= 4 && strncmp(name, "led ", 4) != 0) {
        ge_drawing *d = ge_drawings_add(out);
        d->set = "openclipart", d->artist = "Open Clip Art Library", d->icon = path, d->kind = GE_CLIPART;
        d->name = d->concept = ge_dup(name);
        d->style = "clipart";
        at = strstr(svg, "<dc:subject>");
        char *end = at ? strstr(at, "</dc:subject>") : NULL;
        if (end) *end = 0;
        for (char *k; at && end && (k = element(&at, "<rdf:li>", "</rdf:li>"));) {
            char *w = plain_words(k);
            if (*w && strcmp(w, name) != 0 && ge_count_words(w) <= 3 && !filing_word(w)) d->keywords = ge_join(d->keywords, w);
            free(w);
            free(k);
        }
        char *folder = ge_dup(below), *slash = strchr(folder, '/'), *w;
        if (slash) *slash = 0;
        w = plain_words(folder);
        if (!strcmp(w, "animals") || !strcmp(w, "food") || !strcmp(w, "plants") || !strcmp(w, "people") || !strcmp(w, "buildings"))
            d->keywords = ge_join(d->keywords, w);
        free(w);
        free(folder);
    }
    free(name);
    free(title);
    free(svg);
}

void ge_clipart_read(ge_drawings *out, const char *folder)
{
    static const char *const skip[] = {"logos/",     "buttons/",     "shapes/",  "signs_and_symbols/flags/", "special/", "computer/icons/",
                                       "geography/", "decorations/", "unsorted/"};
    paths p = {0};
    walk(&p, folder);
    qsort(p.p, p.n, sizeof *p.p, by_string);
    size_t root = strlen(folder) + 1;
    for (size_t i = 0; i < p.n; i++) {
        bool use = true;
        for (size_t k = 0; k < sizeof skip / sizeof *skip; k++) use &= strncmp(p.p[i] + root, skip[k], strlen(skip[k])) != 0;
        if (use) read_file(out, p.p[i], p.p[i] + root);
    }
    free(p.p);
}
